"""The records of a folder -> report.html: one self-contained page, the pictures to check first."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
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


def report_page(title: str, records: Sequence[Record], total: int, thumbnail: Callable[[Record], bytes]) -> bytes:
    """Return the page as HTML in UTF-8, on `records` of `total` pictures.

    `thumbnail` gives the WebP of a record, or no bytes.
    """
    done = [record for record in records if record.state == "done"]
    kinds = sorted({record.kind for record in records if record.kind})
    counted = f"{total:,} pictures" if len(records) == total else f"{len(records):,} of {total:,} pictures"
    worst_first = sorted(records, key=lambda record: (record.state == "done", record.points or 0, record.input))
    values = {
        "title": title,
        "subtitle": f"{counted}, {' and '.join(kinds) or 'none done yet'}.",
        "command": "batch",
        "tiles": _tiles(records, done),
        "advice": _advice(records, done),
        "drawings": _drawings(records, done),
        "rows": [_row(record, thumbnail(record)) for record in worst_first[:MAX_ROWS]],
        "records": len(records),
    }
    return render_page("batch.html", values)


def _tiles(records: Sequence[Record], done: Sequence[Record]) -> list[tuple[int, str, str]]:
    states = Counter(record.state for record in records)
    good = sum(record.grade in ("A", "B") for record in done)
    parts = Counter(_part(record) for record in done)
    seldom = [
        (parts[REVIEW], "in review/"),
        (parts[OUTLIERS], "in outliers/"),
        (states["refused"], "refused: too small"),
        (states["working"], "started, not finished"),
    ]
    return [
        (len(done), "results", "good" if done else "warn"),
        (good, "of grade A or B", "good" if good else ""),
        (states["failed"], "failed", "bad" if states["failed"] else "good"),
        *((count, words, "warn") for count, words in seldom if count),
    ]


def _advice(records: Sequence[Record], done: Sequence[Record]) -> list[tuple[str, str, str, str]]:
    """Return (tone, what is wrong, what to do, tag), the most frequent of each kind first."""
    items = []
    failed = [record for record in records if record.state == "failed"]
    for code, count in Counter(record.code for record in failed).most_common():
        detail = next(record.detail for record in failed if record.code == code)
        items.append(("bad", f"{_pictures(count)} failed: {code}", detail or "", str(code)))
    sentences = Counter(_without_figures(sentence) for record in done for sentence in set(record.advice))
    for sentence, count in sentences.most_common(MAX_ADVICE):
        items.append(("warn", _pictures(count), sentence, _short(sentence)))
    for finding, count in Counter(finding for record in records for finding in record.findings).most_common():
        items.append(("", f"{_pictures(count)}: {finding}", "`analyze` says what to do about it.", finding))
    return items or [("good", "Nothing to do.", "Every picture has a result and needs no advice.", "")]


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _without_figures(sentence: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "…", sentence)


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_LETTERS else f"{sentence[: MAX_LETTERS - 1]}…"


def _drawings(records: Sequence[Record], done: Sequence[Record]) -> list[tuple[Drawing, str]]:
    drawn = []
    if done:
        grades = Counter(record.grade or "E" for record in done)
        drawn.append((bars("grades", {each: grades[each] for each in "ABCDE"}, "pictures"), "Grades."))
        points = [(record.points or 0) / 100 for record in done]
        drawn.append((histogram("points", {"points": points}, "points, of 1",
                                "pictures"), "Points, which give the grade."))  # fmt: skip
        coverage = [record.coverage or 0.0 for record in done]
        words = "share of the picture that the object covers"
        drawn.append((histogram("coverage", {"coverage": coverage}, words, "pictures"), "Coverage."))
        seconds = [max(record.seconds or 0.0, 0.001) for record in done]
        drawn.append((histogram("seconds", {"seconds": seconds}, "seconds", "pictures", log=True),
                      "Seconds per picture, several pictures at a time."))  # fmt: skip
    failed = Counter(record.code or "" for record in records if record.state == "failed")
    if failed:
        drawn.append((bars("failures", dict(failed.most_common(12)), "pictures"), "Why pictures failed."))
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
