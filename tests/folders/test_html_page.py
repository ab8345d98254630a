"""The pages: any text that comes in stays text, and nothing is loaded from elsewhere."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backend.contract.options import MaskOptions
from backend.folders.batch.manifest import Record
from backend.folders.batch.report import report_page
from backend.folders.datasets.advice import Advice
from backend.folders.datasets.analysis import Analysis
from backend.folders.datasets.analysis_page import analysis_page
from backend.folders.datasets.evaluation import MEASURES, ScoredRun
from backend.folders.datasets.evaluation_page import evaluation_page
from backend.folders.datasets.findings import judge
from backend.folders.datasets.inspection import FileFacts
from backend.folders.datasets.look import Look
from backend.folders.datasets.plots import bars
from backend.folders.datasets.scoring import Score
from backend.folders.datasets.thresholds import Thresholds
from backend.folders.datasets.walk import Walk
from backend.folders.html_page import TEMPLATES

NASTY = "<script>alert(1)</script>\"'&"


class Tags(HTMLParser):
    """Collects the tags of a page, and fails on one that is closed out of order."""

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


def analysis() -> bytes:
    look = Look(b"x", 40.0, 0.3, False, 5, bytes(192))
    facts = FileFacts(f"{NASTY}/{NASTY}", 10, NASTY, NASTY, False, "", NASTY, (NASTY,), size=(2, 3), exif=("Make",),
                      digest="d", look=look)  # fmt: skip
    files = [facts, replace(facts, name=f"{NASTY}2"), replace(facts, name="caf\udce9", problem="corrupt", look=None)]
    judged = judge(files, Thresholds())
    found = Analysis(Walk(Path(NASTY)), files, judged=judged, others=Counter(), thresholds=Thresholds())
    return analysis_page(found, [Advice("warn", NASTY, NASTY, NASTY)], [(bars("b", {NASTY: 1}, NASTY), NASTY)])


def evaluation() -> bytes:
    done = Score(NASTY, dict.fromkeys(MEASURES, 0.5), seconds={"segment": 1.0}, source=NASTY)
    runs = [
        ScoredRun(NASTY, MaskOptions(), [done, Score(NASTY, problem=NASTY, reason=NASTY)]),
        ScoredRun("b", MaskOptions()),
    ]
    pair = {"first": NASTY, "second": "b", "pictures": 1, "first_better": 1, "second_better": 0, "mean_gain": 0.1}
    summary = {"seed": 0, "pairs": 9, "measured": 2, "images_without_mask": [], "boundary_px": 2.0, "jobs": 1,
               "comparisons": [pair]}  # fmt: skip
    return evaluation_page(summary, runs, [b"x", None], [(bars("b", {NASTY: 1}, NASTY), NASTY)])


def report() -> bytes:
    done = Record(NASTY, "done", f"{NASTY}.png", output=f"review/{NASTY}\udce9.png", grade="A", points=80, coverage=0.5,
                  size=(2, 3), seconds=0.5, advice=(NASTY,), findings=(NASTY,))  # fmt: skip
    failed = Record("caf\udce9", "failed", f"{NASTY}.png", code=NASTY, detail=NASTY)
    return report_page(NASTY, [done, failed], 3, lambda record: b"x")


@pytest.mark.parametrize("make", [analysis, evaluation, report])
def test_a_page_escapes_whatever_it_is_given_and_loads_nothing(make: Callable[[], bytes]) -> None:
    page = make().decode("utf-8")
    assert tags_of(page).count("script") == 1
    assert "alert(1)</script>" not in page and "&lt;script&gt;" in page
    assert not re.search(r"""(src|href)=["'](?!data:|\./)""", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
    assert "default-src 'none'" in page
    assert "@import" not in page and "url(" not in re.sub(r"url\(#", "", page)


def part(call: str) -> str:
    return TEMPLATES.from_string(f'{{% import "parts.html" as parts %}}{{{{ {call} }}}}').render()


def test_a_table_offers_each_tag_once_with_its_count() -> None:
    head = '{% import "parts.html" as parts %}{% call parts.listing("n", "Search", [("n", "number", "")], '
    page = TEMPLATES.from_string(head + '[["odd"], [], ["odd", "last"]]) %}<tr></tr>{% endcall %}').render()
    assert "odd (2)" in page and "last (1)" in page
    assert page.count("<option") == 3


def test_a_number_keeps_its_value_for_sorting_and_none_is_empty() -> None:
    assert 'data-sort="0.5">0.5</td>' in part("parts.number(0.5)")
    assert 'data-sort="0">0%</td>' in part("parts.number(0, '0%')")
    assert re.search(r'<td class="number ?"></td>', part("parts.number(none)"))
