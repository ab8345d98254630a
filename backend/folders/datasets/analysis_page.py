"""An analysis -> the page that says in words what to fix, and shows which pictures are meant."""

from typing import Any

from backend.folders.datasets.advice import Advice
from backend.folders.datasets.analysis import Analysis
from backend.folders.datasets.findings import SEVERITIES
from backend.folders.datasets.inspection import FileFacts
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

MOST_ROWS = 2000  # pictures shown; all of them stand in analysis.csv
MOST_GROUPS = 200
MOST_IN_GROUP = 12
_WORDS = {"bad": "cannot be used", "warn": "to look at"}


def analysis_page(analysis: Analysis, advised: list[Advice], drawings: list[tuple[str, str]]) -> str:
    """Return the page as HTML; `drawings` are SVG elements with their captions."""
    summary = analysis.summary()
    folder = analysis.walk.folder
    parts = [
        _tiles(analysis),
        section(
            "What to fix", advice([(each.severity, each.what, each.todo, each.tag) for each in advised], "pictures")
        ),
        section("In figures", figures(drawings)),
        _groups(analysis),
        _categories(summary["categories"]),
        _exif(analysis, summary["missing_exif"]),
        _pictures(analysis),
    ]
    others = sum(analysis.others.values())
    left = f" {others:,} other files were left aside." if others else ""
    subtitle = f"{len(analysis.files):,} pictures in {len(summary['categories']):,} folders.{left}"
    return page(f"Analysis of {folder.resolve().name or folder}", subtitle, parts, "Made by `analyze` of Mattemesh.")


def _tiles(analysis: Analysis) -> str:
    severities = [{SEVERITIES[name] for name in found} for found in analysis.judged.findings]
    bad = sum("bad" in each for each in severities)
    warned = sum("warn" in each and "bad" not in each for each in severities)
    copies = sum(len(group) - 1 for group in analysis.judged.identical)
    alike = sum(len(group) - 1 for group in analysis.judged.alike)
    size = sum(facts.bytes for facts in analysis.files)
    return tiles(
        [
            (f"{len(analysis.files):,}", "pictures", ""),
            (f"{bad:,}", _WORDS["bad"], "bad" if bad else "good"),
            (f"{warned:,}", _WORDS["warn"], "warn" if warned else "good"),
            (f"{copies:,}", "could go as copies", "warn" if copies else "good"),
            (f"{alike:,}", "could go as near-duplicates", "warn" if alike else "good"),
            (_bytes(size), "altogether", ""),
        ]
    )


def _groups(analysis: Analysis) -> str:
    groups = [*(("identical", group) for group in analysis.judged.identical),
              *(("near-duplicate", group) for group in analysis.judged.alike)]  # fmt: skip
    if not groups:
        return ""
    rows = []
    for kind, group in sorted(groups, key=lambda item: -len(item[1]))[:MOST_GROUPS]:
        files = [analysis.files[index] for index in group]
        best = max(files, key=lambda facts: ((facts.size or (0, 0))[0] * (facts.size or (0, 0))[1], facts.bytes))
        names = "<br>".join(f"<code>{escape(facts.name)}</code>" for facts in files[:MOST_IN_GROUP])
        more = f"<br>and {len(files) - MOST_IN_GROUP} more" if len(files) > MOST_IN_GROUP else ""
        shown = "" if best.look is None else picture(best.look.thumbnail, best.name)
        keep = Cell(f"<code>{escape(best.name)}</code>", best.name)
        rows.append(Row([Cell(shown), len(group), kind, Cell(names + more, files[0].name, "name"), keep], (kind,)))
    columns = (Column("picture"), Column("pictures", number=True), Column("kind"), Column("which"),
               Column("keep", about="the one with most pixels, then most bytes"))  # fmt: skip
    left = f" The {MOST_GROUPS} largest of {len(groups)} groups are shown; all stand in analysis.json."
    words = "Near-duplicates are told by perceptual hash and colour; look before you delete."
    words += left if len(groups) > MOST_GROUPS else ""
    return section("Shown more than once", paragraph(words), table(columns, rows, "groups", "Search these groups"))


def _categories(categories: dict[str, Any]) -> str:
    columns = (
        Column("folder"),
        Column("pictures", number=True),
        Column("usable", number=True),
        Column("with findings", number=True),
        Column("formats"),
        Column("median size, px"),
        Column("median coverage", number=True),
        Column("bytes", number=True),
    )
    rows = []
    for name, facts in categories.items():
        height, width = facts["median_height"], facts["median_width"]
        size = None if height is None else Cell(f"{width:.0f} × {height:.0f}", height * width)
        formats = ", ".join(f"{kind} {count}" for kind, count in facts["formats"].items())
        total = Cell(_bytes(facts["bytes"]), facts["bytes"])
        counted = [facts["pictures"], facts["usable"], facts["with_findings"]]
        rows.append(Row([Cell(escape(name), name, "name"), *counted, formats, size, facts["median_coverage"], total]))
    return section("Categories", table(columns, rows, "categories", "Search folders"))


def _exif(analysis: Analysis, missing: dict[str, int]) -> str:
    total = len(analysis.usable)
    if all(count == total for count in missing.values()):
        return ""
    rows = [Row([name, count, Cell(f"{count / total:.0%}", count / total)]) for name, count in missing.items()]
    columns = (Column("field"), Column("missing in", number=True), Column("share", number=True))
    return section("EXIF fields that are missing", table(columns, rows, "exif", "Search fields"))


def _pictures(analysis: Analysis) -> str:
    found = []
    for facts, findings in zip(analysis.files, analysis.judged.findings, strict=True):
        told = [name for name in findings if name != "no-exif"]  # true of nearly all, or of none
        if told:
            found.append((facts, told))
    rank = {"bad": 0, "warn": 1, "": 2}
    found.sort(key=lambda item: min(rank[SEVERITIES[name]] for name in item[1]))
    columns = (
        Column("picture"),
        Column("file"),
        Column("findings"),
        Column("what is wrong"),
        Column("format"),
        Column("size, px", about="width × height, upright"),
        Column("bytes", number=True),
        Column("coverage", number=True, about="share of the picture; ~ is an estimate on a thumbnail"),
    )
    if not found:
        return section("Pictures with findings", paragraph("None."))
    rows = [_row(facts, findings) for facts, findings in found[:MOST_ROWS]]
    words = f"{len(found):,} of {len(analysis.files):,}; every picture stands in analysis.csv."
    if len(found) > MOST_ROWS:
        words = f"The first {MOST_ROWS:,} of {len(found):,}, the worst first; every picture stands in analysis.csv."
    return section("Pictures with findings", paragraph(words), table(columns, rows, "pictures", "Search pictures"))


def _row(facts: FileFacts, findings: list[str]) -> Row:
    look = facts.look
    size = (
        None
        if facts.size is None
        else Cell(f"{facts.size[1]} × {facts.size[0]}", facts.size[0] * facts.size[1], "nowrap")
    )
    tones: list[tuple[str, Tone]] = [(name, SEVERITIES[name]) for name in findings]
    covered = None
    if look is not None:
        covered = Cell(f"{'' if look.measured else '~ '}{look.coverage:.0%}", round(look.coverage, 4))
    return Row(
        [
            Cell("" if look is None else picture(look.thumbnail, "")),
            Cell(f"<code>{escape(facts.name)}</code>", facts.name, "name"),
            Cell(chips(tones), len(findings)),
            facts.reason or " ".join(facts.faults),
            facts.kind if facts.name_fits else f"{facts.kind}, called {facts.named_as or 'nothing'}",
            size,
            Cell(_bytes(facts.bytes), facts.bytes),
            covered,
        ],
        tuple(findings),
    )


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
