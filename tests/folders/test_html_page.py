"""The page: whatever text comes in, it stays text; nothing is loaded from anywhere."""

import re
from html.parser import HTMLParser

from backend.folders.html_page import (
    Cell,
    Column,
    Row,
    advice,
    chips,
    escape,
    figures,
    page,
    picture,
    section,
    table,
    tiles,
)

NASTY = "<script>alert(1)</script>\"'&"


class Tags(HTMLParser):
    """Collects the tags of a page, and complains of one that is closed out of turn."""

    VOID = frozenset({"meta", "img", "input", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def tags_of(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    parser.close()
    assert not parser.opened
    return parser.seen


def test_every_part_escapes_what_it_is_given() -> None:
    parts = [
        tiles([(NASTY, NASTY, "bad")]),
        advice([("warn", NASTY, NASTY, NASTY)], "rows"),
        chips([(NASTY, "good")]),
        figures([("<svg></svg>", NASTY)]),
        picture(b"x", NASTY),
        table([Column(NASTY, about=NASTY)], [Row([NASTY], (NASTY,)), Row([Cell("<b>1</b>", NASTY)])], "rows", NASTY),
    ]
    whole = page(NASTY, NASTY, [section(NASTY, *parts)], NASTY)
    assert tags_of(whole).count("script") == 1
    assert "alert(1)</script>" not in whole


def test_text_that_utf8_cannot_write_is_shown_as_an_escape() -> None:
    escape("caf\udce9").encode("utf-8")


def test_a_page_loads_nothing_from_anywhere() -> None:
    whole = page("a", "b", [picture(b"\xff\xd8", "c")])
    assert not re.search(r"(src|href)=\"(?!data:)", whole)
    assert "default-src 'none'" in whole
    assert "@import" not in whole and "url(" not in whole


def test_a_table_offers_each_tag_once_with_its_count() -> None:
    whole = table([Column("n", number=True)], [Row([1], ("odd",)), Row([2]), Row([3], ("odd", "last"))], "numbers")
    assert "odd (2)" in whole and "last (1)" in whole
    assert whole.count("<option") == 3


def test_a_number_keeps_its_value_for_sorting_and_nothing_is_empty() -> None:
    whole = table([Column("n", number=True)], [Row([0.5]), Row([None])], "numbers")
    assert 'data-sort="0.5">0.5</td>' in whole
    assert '<td class="number"></td>' in whole
