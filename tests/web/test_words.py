"""The sentences of the page: one list for each language, with the same keys and places, and no others in the views."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from backend.contract.settings import REPOSITORY
from tests.web.test_web_modules import MODULES, WEB, node

LISTS = {path.stem: json.loads(path.read_text()) for path in sorted((WEB / "words").glob("*.json"))}
FORMS = {"en": {"one", "other"}, "de": {"one", "other"}}


def places(entry: Any) -> set[str]:
    """Return the places of a sentence that are filled, of all its forms together."""
    text = " ".join(entry.values()) if isinstance(entry, dict) else entry
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", LISTS)
def test_every_language_has_the_same_sentences_with_the_same_places(language: str) -> None:
    english, words = LISTS["en"], LISTS[language]
    assert list(words) == list(english)
    assert {key for key in words if places(words[key]) != places(english[key])} == set()
    assert {key for key in words if isinstance(words[key], dict) != isinstance(english[key], dict)} == set()
    forms = [set(entry) for entry in words.values() if isinstance(entry, dict)]
    assert all(each == FORMS[language] for each in forms)
    assert words["language"] == language


@pytest.mark.parametrize("language", LISTS)
def test_sentences_have_real_quotes_and_no_blanks_at_their_ends(language: str) -> None:
    text = [
        form for entry in LISTS[language].values() for form in (entry.values() if isinstance(entry, dict) else [entry])
    ]
    assert [each for each in text if each != each.strip() or not each or re.search(r"[\"']|\.\.\.|  ", each)] == []


def test_every_sentence_that_is_named_exists_and_every_one_is_used() -> None:
    scripts = "\n".join(module.read_text() for module in MODULES)
    named = set(re.findall(r"\{\{([\w.-]+)\}\}", (WEB / "index.html").read_text()))
    named |= set(re.findall(r'\bt\("([\w.-]+)"', scripts))
    quoted = set(re.findall(r'"([\w-]+\.[\w-]+)"', scripts))  # t(way === "undo" ? "fix.undone" : "fix.redone")
    families = set(re.findall(r"`([\w-]+\.[\w-]*)\$\{", scripts))  # t(`stage.${name}`)
    assert named - set(LISTS["en"]) == set()
    unused = set(LISTS["en"]) - named - quoted - {"language", "name"}
    assert {key for key in unused if not key.startswith(tuple(families))} == set()


def test_every_stage_of_the_service_has_a_name() -> None:
    sources = "\n".join(path.read_text() for path in (REPOSITORY / "backend").rglob("*.py"))
    stages = set(re.findall(r'\btrace\.stage\("([a-z ]+)"', sources))
    named = {key.removeprefix("stage.") for key in LISTS["en"] if key.startswith("stage.")}
    assert len(stages) > 40 and stages - named == set()
    assert named - stages == {"starting"}


def test_counts_numbers_and_sizes_are_written_as_the_language_does() -> None:
    script = """
    const { t, translated, percent, fileSize } = await import(`${WEB}/language.js`);
    const seen = [
      t("intake.refused", { count: 1 }), t("intake.refused", { count: 1200 }), t("photo.limit", { size: "5 MB" }),
      translated("example.duck", "other"), translated("example.never", "a word of the service"),
      percent(0.41), percent(0.998, 1), fileSize(0), fileSize(412345), fileSize(4.6e6), fileSize(1.23e9),
    ];
    console.log(JSON.stringify(seen));
    """
    assert node(script) == [
        "1 file was not accepted",
        "1,200 files were not accepted",
        "Up to 5 MB each.",
        "Duck",
        "a word of the service",
        "41%",
        "99.8%",
        "0 MB",
        "412 kB",
        "5 MB",
        "1.2 GB",
    ]


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`(?:\\.|[^`\\])*`', re.DOTALL)
SENTENCE = re.compile(r"[A-Za-z’]{2,},? [A-Za-z’]{2,}|^[A-Z][a-z]+[.…]?$")
NAMES = {
    "Accept",
    "Content-Type",
    "DownloadURL",
    "Enter",
    "Escape",
    "Files",
    "Mattemesh",
}  # of headers, keys and formats of the browser
CODE = re.compile(
    r"[\[#;{=]|^[.a-z-]+(?:,? [.a-z0-9-]+)*$"
)  # selectors, shaders; classes and CSS, which have no capitals


def literals(script: str) -> list[tuple[str, str]]:
    """Return the strings of a module that a person could read, each with what stands before it on its line."""
    found = []
    for match in TOKEN.finditer(script):
        text = match.group()
        if text.startswith("/"):
            continue
        before = script[: match.start()].rsplit("\n", 1)[-1]
        for piece in re.split(r"\$\{.*?\}", text[1:-1]):
            found.append((before, piece.strip()))
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_no_module_holds_a_sentence_of_its_own(module: Path) -> None:
    script = module.read_text()
    shown = re.compile(
        r"(?:textContent|alt|title|label|aria-(?:label|valuetext|description)|placeholder)\"?[:,=]? *=? *$"
    )
    held = [
        text
        for before, text in literals(script)
        if text not in NAMES
        and (
            (SENTENCE.search(text) and not CODE.search(text))
            or (shown.search(before) and re.search("[A-Za-z]{2}", text))
        )
    ]
    assert held == []


def test_the_index_holds_no_sentence_of_its_own() -> None:
    index = re.sub(
        r"<!--.*?-->|<code>.*?</code>|\{\{[\w.-]+\}\}", "", (WEB / "index.html").read_text(), flags=re.DOTALL
    )
    names = {"Mattemesh", "PNG", "WebP", "JPEG", "GLB"}
    texts = [text.strip() for text in re.findall(r">([^<]*)<", index)]
    texts += re.findall(r'\b(?:alt|title|placeholder|aria-label|aria-roledescription)="([^"]*)"', index)
    assert [text for text in texts if re.search(r"[A-Za-z]{3}", text) and text not in names] == []
