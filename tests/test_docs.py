"""The files that the documents name are there."""

import re
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])
TOPS = "backend|tsr|mattemesh|tests|benchmarks|docs|deploy|examples|clients|integrations"
ROOMS = "api|cache|commands|contract|engines|folders|images|jobs|matte|mesh|weights|web|workers"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_named_file_exists(document: Path) -> None:
    text = document.read_text()
    named = {Path(match) for match in re.findall(rf"(?<![\w/.-])(?:{TOPS})/[\w/-]+\.(?:py|md|toml|html|js|sh)\b", text)}
    named |= {Path("backend", match) for match in re.findall(rf"`((?:{ROOMS})/[\w/-]+\.\w+)`", text)}
    assert not [str(path) for path in sorted(named) if not (REPOSITORY / path).exists() and "NAME" not in str(path)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert not [link for link in links if not (document.parent / link).exists()]


def test_the_gallery_shows_each_of_its_pictures_and_stays_light() -> None:
    shown = set(re.findall(r"!\[[^]]+\]\(gallery/([^)]+)\)", (REPOSITORY / "docs" / "gallery.md").read_text()))
    stored = {path.name: path.stat().st_size for path in (REPOSITORY / "docs" / "gallery").iterdir()}
    assert shown == set(stored)
    assert sum(stored.values()) < 600_000
