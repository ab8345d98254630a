"""The records of a folder -> report.html: one self-contained page, the pictures that need a look first."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import quote

from backend.folders.batch.manifest import Record
from backend.folders.batch.out_folder import OUTLIERS, REVIEW
from backend.folders.datasets.plots import Drawing, bars, histogram
from backend.folders.html_page import (
    Cell,
    Column,
    Row,
    Tone,
    advice,
    chips,
    escape,
    figures,
    page,
    paragraph,
    picture,
    section,
    table,
    tiles,
)

MOST_ROWS = 5000  # pictures shown, the worst first; all of them stand in manifest.jsonl
MOST_ADVICE = 8
MOST_LETTERS = 60  # of a piece of advice, in the list that filters by it
GRADE_TONES: dict[str, Tone] = {"A": "good", "B": "good", "C": "warn", "D": "bad", "E": "bad"}
_COLUMNS = (
    Column("before and after"),
    Column("picture", about="and its result"),
    Column("grade"),
    Column("points", number=True, about="0 to 100, what the grade is made of"),
    Column("advice"),
    Column("coverage", number=True, about="share of the picture that the object covers"),
    Column("size, px", about="width × height, upright"),
    Column("seconds", number=True),
)


def report_page(title: str, records: Sequence[Record], total: int, thumbnail: Callable[[Record], bytes]) -> str:
    """Return the page as HTML, on `records` of `total` pictures; `thumbnail` gives a record's WebP, or nothing."""
    done = [record for record in records if record.state == "done"]
    parts = [
        _tiles(records, done),
        section("What to look at", advice(_advice(records, done), "pictures")),
        section("In figures", figures((drawing.svg, caption) for drawing, caption in _drawings(records, done))),
        _pictures(records, thumbnail),
    ]
    kinds = sorted({record.kind for record in records if record.kind})
    counted = f"{total:,} pictures" if len(records) == total else f"{len(records):,} of {total:,} pictures"
    subtitle = f"{counted}, {' and '.join(kinds) or 'nothing done yet'}."
    return page(title, subtitle, parts, "Made by `batch` of Mattemesh.")


def _tiles(records: Sequence[Record], done: Sequence[Record]) -> str:
    states = Counter(record.state for record in records)
    good = sum(record.grade in ("A", "B") for record in done)
    review, outliers = (sum(_part(record) == part for record in done) for part in (REVIEW, OUTLIERS))
    shown: list[tuple[str, str, Tone]] = [
        (f"{len(done):,}", "results", "good" if done else "warn"),
        (f"{good:,}", "of grade A or B", "good" if good else ""),
        (f"{states['failed']:,}", "failed", "bad" if states["failed"] else "good"),
    ]
    if review:
        shown.append((f"{review:,}", "under review/", "warn"))
    if outliers:
        shown.append((f"{outliers:,}", "under outliers/", "warn"))
    if states["refused"]:
        shown.append((f"{states['refused']:,}", "refused as too small", "warn"))
    if states["working"]:
        shown.append((f"{states['working']:,}", "begun and not finished", "warn"))
    return tiles(shown)


def _advice(records: Sequence[Record], done: Sequence[Record]) -> list[tuple[Tone, str, str, str]]:
    """Return what is wrong most often, each with how many pictures it is about."""
    items: list[tuple[Tone, str, str, str]] = []
    for code, count in Counter(record.code for record in records if record.state == "failed").most_common():
        detail = next(record.detail for record in records if record.state == "failed" and record.code == code)
        items.append(("bad", f"{_pictures_of(count)} failed: {code}", detail or "", str(code)))
    told = Counter(_without_figures(sentence) for record in done for sentence in set(record.advice))
    for sentence, count in told.most_common(MOST_ADVICE):
        items.append(("warn", _pictures_of(count), sentence, _short(sentence)))
    odd = Counter(finding for record in records for finding in record.findings)
    for finding, count in odd.most_common():
        items.append(("", f"{_pictures_of(count)}: {finding}", "Found by `analyze`.", finding))
    return items or [("good", "Nothing.", "Every picture has a result, and no advice with it.", "")]


def _pictures_of(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _without_figures(sentence: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "…", sentence)


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= MOST_LETTERS else f"{sentence[: MOST_LETTERS - 1]}…"


def _drawings(records: Sequence[Record], done: Sequence[Record]) -> list[tuple[Drawing, str]]:
    drawn = []
    if done:
        grades = Counter(record.grade or "E" for record in done)
        drawn.append((bars("grades", {each: grades[each] for each in "ABCDE"}, "pictures"), "Grades."))
        points = [(record.points or 0) / 100 for record in done]
        drawn.append((histogram("points", {"points": points}, "points, of 1",
                                "pictures"), "What the grades are made of."))  # fmt: skip
        coverage = [record.coverage or 0.0 for record in done]
        words = "share of the picture that the object covers"
        drawn.append((histogram("coverage", {"coverage": coverage}, words, "pictures"), "Coverage."))
        seconds = [max(record.seconds or 0.0, 0.001) for record in done]
        drawn.append((histogram("seconds", {"seconds": seconds}, "seconds", "pictures", log=True),
                      "Seconds a picture, several at a time."))  # fmt: skip
    failed = Counter(record.code or "" for record in records if record.state == "failed")
    if failed:
        drawn.append((bars("failures", dict(failed.most_common(12)), "pictures"), "Why pictures failed."))
    return drawn


def _pictures(records: Sequence[Record], thumbnail: Callable[[Record], bytes]) -> str:
    if not records:
        return section("Pictures", paragraph("None."))
    worst_first = sorted(records, key=lambda record: (record.state == "done", record.points or 0, record.input))
    words = "Those that failed first, then by their points; a heading sorts by its column."
    if len(records) > MOST_ROWS:
        words += f" The first {MOST_ROWS:,} of {len(records):,} are shown; all stand in manifest.jsonl."
    rows = [_row(record, thumbnail(record)) for record in worst_first[:MOST_ROWS]]
    return section("Pictures", paragraph(words), table(_COLUMNS, rows, "pictures", "Search pictures"))


def _row(record: Record, strip: bytes) -> Row:
    done = record.state == "done"
    grade = record.grade or ""
    labels: list[tuple[str, Tone]] = [(grade, GRADE_TONES[grade])] if grade in GRADE_TONES else []
    labels += [] if done else [(record.state, "bad" if record.state == "failed" else "warn")]
    labels += [(finding, "") for finding in record.findings]
    size = record.size
    words = record.advice if done else (f"{record.code}: {record.detail}",) if record.detail else ()
    name = f"<code>{escape(record.input)}</code>"
    if done and record.output:
        name += f'<br><a href="{escape(_address(record.output))}">{escape(record.output)}</a>'
    part = _part(record)
    tags = (*((f"grade {grade}",) if grade and done else ()), *(() if done else (record.code or "", record.state)),
            *((f"{part}/",) if part else ()), *record.findings,
            *(_short(_without_figures(sentence)) for sentence in record.advice))  # fmt: skip
    return Row(
        [
            Cell(picture(strip, "", "image/webp") if strip and done else ""),
            Cell(name, escape(record.input), "name"),
            Cell(chips(labels), grade or "Z"),
            record.points if done else None,
            Cell("<br>".join(escape(each) for each in words), len(words), "name"),
            None if record.coverage is None or not done else Cell(f"{record.coverage:.0%}", record.coverage),
            None if size is None else Cell(f"{size[1]} × {size[0]}", size[0] * size[1], "nowrap"),
            record.seconds if done else None,
        ],
        tuple(dict.fromkeys(filter(None, tags))),
    )


def _part(record: Record) -> str:
    first = (record.output or "").partition("/")[0]
    return first if first in (REVIEW, OUTLIERS) else ""


def _address(output: str) -> str:
    """Return the address of a result relative to the page; a name that is no UTF-8 keeps its bytes."""
    return "./" + quote(output.encode("utf-8", "surrogateescape"))
