"""The sentences of the page: one list for each language, with the same keys and places, and no others in the views."""

import json
import re
from typing import Any

import pytest

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
    families = set(re.findall(r"`([\w-]+\.)\$\{", scripts))  # t(`stage.${name}`)
    assert named - set(LISTS["en"]) == set()
    unused = set(LISTS["en"]) - named - {"language", "name"}
    assert {key for key in unused if not key.startswith(tuple(families))} == set()


def test_counts_numbers_and_sizes_are_written_as_the_language_does() -> None:
    script = """
    const { t, translated, percent, fileSize } = await import(`${WEB}/language.js`);
    const seen = [
      t("intake.refused", { count: 1 }), t("intake.refused", { count: 1200 }), t("photo.limit", { size: "5 MB" }),
      translated("example.duck", "other"), translated("example.never", "a word of the service"),
      percent(0.41), percent(0.998, 1), fileSize(4.6e6), fileSize(1.23e9),
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
        "5 MB",
        "1.2 GB",
    ]
