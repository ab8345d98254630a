"""The page's files in, what a browser gets out: one style sheet, and in each language a script and the index that names
them by digest.

The page is written as many small modules and needs no build: the modules are put together here, in the order in which
they import each other, each in a function of its own. Compressed, all of it comes in a few requests. The sentences of a
language come with them: none is loaded that nobody reads, and nothing is shown in one language and then another.
"""

import gzip
import hashlib
import html
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function\*?|class)\b[ *]*(\w+))", re.MULTILINE)
STYLES = re.compile(r'(<link rel="stylesheet" href="/static/(css/[a-z]+\.css)">\n)+')
STYLE = re.compile(r'href="/static/(css/[a-z]+\.css)"')
SENTENCES = re.compile(r'^import (\w+) from "\.\./words/en\.json" with \{ type: "json" \};\n', re.MULTILINE)
MARK = re.compile(r"\{\{([a-z0-9-]+(?:\.[a-z0-9-]+)*)\}\}")
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
    """The index by language and the files that it names; `digests` are those of all files, by their path under
    /static/; `languages` are their own names, by code."""

    index: dict[str, Served]
    languages: dict[str, str]
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
    modules = {path.stem: path.read_text() for path in web.glob("js/*.js")}
    lists = {path.stem: json.loads(path.read_text()) for path in sorted(web.glob("words/*.json"))}
    styles = STYLES.search(index)
    if styles is None or SCRIPT not in index:
        raise ValueError("index.html names no style sheets or not the entry script")
    css = "".join((web / sheet).read_text() for sheet in STYLE.findall(styles.group()))
    files = {"page.css": Served(with_digests(css, digests).encode(), "text/css")}
    for language, sentences in lists.items():
        script = with_digests(bundle_modules(modules, sentences), digests)
        files[f"page.{language}.js"] = Served(script.encode(), "text/javascript")
    digests |= {name: file.digest for name, file in files.items()}
    index = index.replace(styles.group(), '<link rel="stylesheet" href="/static/page.css">\n')
    pages = {}
    for language, sentences in lists.items():
        script = SCRIPT.replace("js/app.js", f"page.{language}.js")
        text = with_digests(with_sentences(index.replace(SCRIPT, script), sentences), digests)
        pages[language] = Served(text.encode(), "text/html; charset=utf-8")
    return Page(pages, {language: sentences["name"] for language, sentences in lists.items()}, files, digests)


def with_sentences(text: str, sentences: dict[str, str]) -> str:
    """Return the HTML `text` with each `{{key}}` replaced by its sentence. Raises KeyError for a key without one."""
    return MARK.sub(lambda found: html.escape(sentences[found.group(1)]), text)


def with_digests(text: str, digests: dict[str, str]) -> str:
    """Return `text` with `?v=DIGEST` behind each address of a file of the page, so that it may be kept for good."""

    def named(found: re.Match[str]) -> str:
        digest = digests.get(found.group(1))
        return found.group() if digest is None else f"{found.group()}?v={digest}"

    return ASSET.sub(named, text)


def bundle_modules(modules: dict[str, str], sentences: dict[str, object]) -> str:
    """Return one module that does what `app` and all that it imports do; `modules` are their sources by name. What is
    read from the list of English sentences is read from `sentences`.

    They import names from each other, by `import { a, b } from "./name.js";`, and export declarations; what else
    modules can do is not needed. Raises ValueError for modules that import each other in a circle.
    """
    written = json.dumps(sentences, ensure_ascii=False)
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
        source = SENTENCES.sub(lambda found: f"const {found.group(1)} = {written};\n", source)
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
