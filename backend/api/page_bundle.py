"""The page's files in, what a browser gets out: one style sheet, and in each language a script and the index that names
them by digest.

The page is written as many small modules and needs no build: the modules are put together here, in the order in which
they import each other, each in a function of its own. Compressed, all of it comes in a few requests. The sentences of a
language come with them: none is loaded that nobody reads, and nothing is shown in one language and then another. What a
module imports by `import("./name.js")` comes in a file of its own, when it is first needed.
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
LATER = re.compile(r'\bimport\("\./([a-z_]+)\.js"\)(?!\.[A-Z])')  # a capital follows in comments, which name types
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
    for path in web.glob("words/service/*.json"):
        lists[path.stem]["service"] = json.loads(path.read_text())
    styles = STYLES.search(index)
    if styles is None or SCRIPT not in index:
        raise ValueError("index.html names no style sheets or not the entry script")
    css = "".join((web / sheet).read_text() for sheet in STYLE.findall(styles.group()))
    files = {"page.css": Served(with_digests(css, digests).encode(), "text/css")}
    for language, sentences in lists.items():
        scripts = bundle_modules(modules, sentences)
        scripts[f"page.{language}.js"] = scripts.pop("page.js")  # the last: it names the others by digest
        for name, script in scripts.items():
            files[name] = Served(with_digests(script, digests).encode(), "text/javascript")
            digests[name] = files[name].digest
    digests["page.css"] = files["page.css"].digest
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


def bundle_modules(modules: dict[str, str], sentences: dict[str, object]) -> dict[str, str]:
    """Return `page.js`, which does what `app` and all that it imports do, and `later/NAME.js` for each module that is
    imported when it is needed; `modules` are their sources by name. What is read from the list of English sentences is
    read from `sentences`.

    They import names from each other, by `import { a, b } from "./name.js";` or `import("./name.js")`, and export
    declarations; what else modules can do is not needed. Each module runs once: what two files need is in `page.js`.
    Raises ValueError for modules that import each other in a circle.
    """
    written = json.dumps(sentences, ensure_ascii=False)
    entries = [ENTRY]
    needs = {}
    for entry in entries:  # grows meanwhile
        needs[entry] = _in_order(modules, entry)
        later = [name for module in needs[entry] for name in LATER.findall(modules[module])]
        entries += [name for name in dict.fromkeys(later) if name not in entries]
    at_once = [
        name
        for name in dict.fromkeys(name for order in needs.values() for name in order)
        if name in needs[ENTRY] or sum(name in order for order in needs.values()) > 1
    ]
    at_once.remove(ENTRY)
    given = {}  # to each later file: the modules of page.js that it imports from
    for entry in entries[1:]:
        own = [name for name in needs[entry] if name not in at_once]
        named = {other for name in own for _, other in IMPORT.findall(modules[name])}
        later_still = {other for name in needs[entry] for other in LATER.findall(modules[name])}
        if later_still:
            raise ValueError(f"{entry}, which comes later, imports {min(later_still)} later still")
        given[entry] = f"{{ {', '.join(f'${name}' for name in at_once if name in named)} }}"

    def linked(name: str) -> str:
        return LATER.sub(
            lambda found: f'import("/static/later/{found[1]}.js").then(({{ load }}) => load({given[found[1]]}))',
            _as_function(name, SENTENCES.sub(lambda found: f"const {found[1]} = {written};\n", modules[name])),
        )

    made = {"page.js": "".join(linked(name) for name in [*at_once, ENTRY])}
    for entry in entries[1:]:
        body = "".join(linked(name) for name in needs[entry] if name not in at_once)
        start = f"let made;\nexport const load = ({given[entry]}) =>\n(made ??= (() => {{\n"
        made[f"later/{entry}.js"] = f"{start}{body}return ${entry};\n}})());\n"
    return made


def _in_order(modules: dict[str, str], entry: str) -> list[str]:
    """Return `entry` and all that it imports at once, each behind what it imports itself."""
    done: list[str] = []

    def add(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise ValueError(f"modules import each other in a circle: {' -> '.join((*trail, name))}")
        if name in done:
            return
        for _, other in IMPORT.findall(modules[name]):
            add(other, (*trail, name))
        done.append(name)

    add(entry, ())
    return done


def _as_function(name: str, source: str) -> str:
    exported = ", ".join(EXPORT.findall(source))
    source = IMPORT.sub(lambda found: f"const {{{found[1]}}} = ${found[2]};\n", source)
    source = EXPORT.sub("", source)
    if name == ENTRY:  # it waits at the top level, which a function could not
        return f"// {name}.js\n{{\n{source}}}\n"
    return f"// {name}.js\nconst ${name} = (() => {{\n{source}return {{ {exported} }};\n}})();\n"


@lru_cache(maxsize=32)
def compressed(data: bytes) -> bytes:
    """Return `data` by gzip, the same for the same data."""
    return gzip.compress(data, 9, mtime=0)
