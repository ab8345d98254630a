"""The page's files in, what a browser gets out: one script, one style sheet, the index that names them by digest.

The page is written as many small modules and needs no build: the modules are put together here, in the order in which
they import each other, each in a function of its own. Compressed, all of it comes in a few requests.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function\*?|class)\b[ *]*(\w+))", re.MULTILINE)
STYLES = re.compile(r'(<link rel="stylesheet" href="/static/(css/[a-z]+\.css)">\n)+')
STYLE = re.compile(r'href="/static/(css/[a-z]+\.css)"')
SCRIPT = '<script type="module" src="/static/js/app.js"></script>'
ASSET = re.compile(r"/static/([\w/.-]+\.(?:svg|webp|jpg|png|js|css|json))(?=[\"'#`)])")
ENTRY = "app"


@dataclass(frozen=True)
class Served:
    """One file as it is sent."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return digest_of(self.data)


@dataclass(frozen=True)
class Page:
    """The index and the files that it names; `digests` are those of all files, by their path under /static/."""

    index: Served
    files: dict[str, Served]
    digests: dict[str, str]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def read_page(web: Path) -> Page:
    """Return the page as the files in `web` are now; it is put together again only where one has changed."""
    files = sorted(path for path in web.rglob("*") if path.is_file())
    return _assembled(web, tuple((path, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=2)
def _assembled(web: Path, stamps: tuple[tuple[Path, int], ...]) -> Page:
    digests = {path.relative_to(web).as_posix(): digest_of(path.read_bytes()) for path, _ in stamps}
    index = (web / "index.html").read_text()
    styles = STYLES.search(index)
    if styles is None or SCRIPT not in index:
        raise ValueError("index.html names no style sheets or not the entry script")
    sheets = STYLE.findall(styles.group())
    made = {
        "page.css": ("text/css", "".join((web / sheet).read_text() for sheet in sheets)),
        "page.js": ("text/javascript", bundle_modules({path.stem: path.read_text() for path in web.glob("js/*.js")})),
    }
    files = {
        name: Served(with_digests(text, digests).encode(), media_type) for name, (media_type, text) in made.items()
    }
    digests |= {name: file.digest for name, file in files.items()}
    index = index.replace(styles.group(), '<link rel="stylesheet" href="/static/page.css">\n')
    index = index.replace(SCRIPT, '<script type="module" src="/static/page.js"></script>')
    return Page(Served(with_digests(index, digests).encode(), "text/html; charset=utf-8"), files, digests)


def with_digests(text: str, digests: dict[str, str]) -> str:
    """Return `text` with `?v=DIGEST` behind each address of a file of the page, so that it may be kept for good."""

    def named(found: re.Match[str]) -> str:
        digest = digests.get(found.group(1))
        return found.group() if digest is None else f"{found.group()}?v={digest}"

    return ASSET.sub(named, text)


def bundle_modules(modules: dict[str, str]) -> str:
    """Return one module that does what `app` and all that it imports do; `modules` are their sources by name.

    They import names from each other, by `import { a, b } from "./name.js";`, and export declarations; what else
    modules can do is not needed. Raises ValueError for modules that import each other in a circle.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise ValueError(f"modules import each other in a circle: {' -> '.join((*trail, name))}")
        if name in done:
            return
        source = modules[name]
        for _, other in IMPORT.findall(source):
            add(other, (*trail, name))
        done.add(name)
        exported = EXPORT.findall(source)
        source = IMPORT.sub(lambda found: f"const {{{found.group(1)}}} = ${found.group(2)};\n", source)
        source = EXPORT.sub("", source)
        if name == ENTRY:  # it waits at the top level, which a function could not
            parts.append(f"// {name}.js\n{{\n{source}}}\n")
        else:
            names = ", ".join(exported)
            parts.append(f"// {name}.js\nconst ${name} = (() => {{\n{source}return {{ {names} }};\n}})();\n")

    add(ENTRY, ())
    return "".join(parts)


@lru_cache(maxsize=32)
def compressed(data: bytes) -> bytes:
    """Return `data` by gzip, the same for the same data."""
    return gzip.compress(data, 9, mtime=0)
