"""The records of a folder -> report.html: one self-contained page, the pictures to check first."""

import heapq
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from backend.folders.batch.manifest import Record
from backend.folders.batch.out_folder import OUTLIERS, REVIEW
from backend.folders.datasets.plots import Drawing, bars, histogram
from backend.folders.html_page import render_page

MAX_ROWS = 5000  # pictures shown, the worst first; manifest.jsonl has all of them
MAX_ADVICE = 8
MAX_LETTERS = 60  # of a piece of advice, in the list that filters by it
GRADE_TONES = {"A": "good", "B": "good", "C": "warn", "D": "bad", "E": "bad"}


def report_page(title: str, records: Iterable[Record], total: int, thumbnail: Callable[[Record], bytes]) -> bytes:
    """Return the page as HTML in UTF-8, on `records` of `total` pictures; they are read once, `MAX_ROWS` stay.

    `thumbnail` gives the WebP of a record, or no bytes.
    """
    figures = _Figures()

    def badness(record: Record) -> tuple[bool, int, str]:
        return record.state == "done", record.points or 0, record.input

    worst = heapq.nsmallest(MAX_ROWS, map(figures.add, records), key=badness)
    counted = f"{total:,} pictures" if figures.records == total else f"{figures.records:,} of {total:,} pictures"
    values = {
        "title": title,
        "subtitle": f"{counted}, {' and '.join(sorted(figures.kinds)) or 'none done yet'}.",
        "command": "batch",
        "tiles": _tiles(figures),
        "advice": _advice(figures),
        "drawings": _drawings(figures),
        "rows": [_row(record, thumbnail(record)) for record in worst],
        "records": figures.records,
    }
    return render_page("batch.html", values)


class _Figures:
    """What the page says of all records."""

    def __init__(self) -> None:
        self.records = 0
        self.kinds = set[str]()
        self.states, self.grades, self.parts = Counter[str](), Counter[str](), Counter[str]()  # parts: of OUT_DIR
        self.codes, self.details = Counter[str](), dict[str, str | None]()  # of those that failed
        self.sentences, self.findings = Counter[str](), Counter[str]()
        self.points, self.coverage, self.seconds = array("d"), array("d"), array("d")  # of the results

    def add(self, record: Record) -> Record:
        """Count `record` and return it."""
        self.records += 1
        self.kinds |= {record.kind} - {""}
        self.states[record.state] += 1
        self.findings.update(record.findings)
        if record.state == "failed":
            self.codes[record.code or ""] += 1
            self.details.setdefault(record.code or "", record.detail)
        if record.state == "done":
            self.grades[record.grade or "E"] += 1
            self.parts[_part(record)] += 1
            self.sentences.update(map(_without_figures, set(record.advice)))
            self.points.append((record.points or 0) / 100)
            self.coverage.append(record.coverage or 0.0)
            self.seconds.append(max(record.seconds or 0.0, 0.001))
        return record


def _tiles(figures: _Figures) -> list[tuple[int, str, str]]:
    states, done = figures.states, figures.states["done"]
    good = figures.grades["A"] + figures.grades["B"]
    seldom = [
        (figures.parts[REVIEW], "in review/"),
        (figures.parts[OUTLIERS], "in outliers/"),
        (states["refused"], "refused: too small"),
        (states["working"], "started, not finished"),
    ]
    return [
        (done, "results", "good" if done else "warn"),
        (good, "of grade A or B", "good" if good else ""),
        (states["failed"], "failed", "bad" if states["failed"] else "good"),
        *((count, words, "warn") for count, words in seldom if count),
    ]


def _advice(figures: _Figures) -> list[tuple[str, str, str, str]]:
    """Return (tone, what is wrong, what to do, tag), the most frequent of each kind first."""
    items = []
    for code, count in figures.codes.most_common():
        items.append(("bad", f"{_pictures(count)} failed: {code}", figures.details[code] or "", code))
    for sentence, count in figures.sentences.most_common(MAX_ADVICE):
        items.append(("warn", _pictures(count), sentence, _short(sentence)))
    for finding, count in figures.findings.most_common():
        items.append(("", f"{_pictures(count)}: {finding}", "`analyze` says what to do about it.", finding))
    return items or [("good", "Nothing to do.", "Every picture has a result and needs no advice.", "")]


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _without_figures(sentence: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "…", sentence)


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_LETTERS else f"{sentence[: MAX_LETTERS - 1]}…"


def _drawings(figures: _Figures) -> list[tuple[Drawing, str]]:
    drawn = []
    if figures.points:
        grades = {each: figures.grades[each] for each in "ABCDE"}
        drawn.append((bars("grades", grades, "pictures"), "Grades."))
        drawn.append((histogram("points", {"points": figures.points}, "points, of 1",
                                "pictures"), "Points, which give the grade."))  # fmt: skip
        words = "share of the picture that the object covers"
        drawn.append((histogram("coverage", {"coverage": figures.coverage}, words, "pictures"), "Coverage."))
        drawn.append((histogram("seconds", {"seconds": figures.seconds}, "seconds", "pictures", log=True),
                      "Seconds per picture, several pictures at a time."))  # fmt: skip
    if figures.codes:
        drawn.append((bars("failures", dict(figures.codes.most_common(12)), "pictures"), "Why pictures failed."))
    return drawn


def _row(record: Record, strip: bytes) -> dict[str, Any]:
    done = record.state == "done"
    grade = record.grade if record.grade in GRADE_TONES else None
    labels = [(grade, GRADE_TONES[grade])] if grade else []
    labels += [] if done else [(record.state, "bad" if record.state == "failed" else "warn")]
    labels += [(finding, "") for finding in record.findings]
    part = _part(record)
    tags = [f"grade {grade}" if grade and done else "", *([] if done else [record.code or "", record.state]),
            f"{part}/" if part else "", *record.findings,
            *(_short(_without_figures(sentence)) for sentence in record.advice)]  # fmt: skip
    return {
        "record": record,
        "strip": strip if done else b"",
        "labels": labels,
        "words": record.advice if done else [f"{record.code}: {record.detail}"] if record.detail else [],
        "tags": list(dict.fromkeys(filter(None, tags))),
        # Relative to the page; a name that is not UTF-8 keeps its bytes.
        "address": "./" + quote((record.output or "").encode("utf-8", "surrogateescape")),
    }


def _part(record: Record) -> str:
    first = (record.output or "").partition("/")[0]
    return first if first in (REVIEW, OUTLIERS) else ""
