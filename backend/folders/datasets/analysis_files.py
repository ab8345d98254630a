"""An analysis -> the files that `analyze` leaves: JSON, CSV, drawings and the page."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from backend.folders.datasets.advice import advise
from backend.folders.datasets.analysis import Analysis
from backend.folders.datasets.analysis_page import analysis_page
from backend.folders.datasets.files_out import as_csv, as_json
from backend.folders.datasets.findings import SEVERITIES
from backend.folders.datasets.inspection import FileFacts
from backend.folders.datasets.plots import Drawing, bars, histogram, scatter

MAX_BARS = 20


def analysis_files(analysis: Analysis) -> dict[str, bytes]:
    """Return every file of the result by its name."""
    advice, drawings = advise(analysis), _drawings(analysis)
    records = [_record(facts, found) for facts, found in zip(analysis.files, analysis.judged.findings, strict=True)]
    summary = {**analysis.summary(), "advice": [asdict(each) for each in advice]}
    return {
        "analysis.json": as_json({**summary, "items": records}),
        "analysis.csv": as_csv(list(records[0]), [[_flat(value) for value in row.values()] for row in records]),
        "analysis.html": analysis_page(analysis, advice, drawings),
        **{f"plots/{drawing.name}.png": drawing.png for drawing, _ in drawings},
    }


def _record(facts: FileFacts, findings: list[str]) -> dict[str, Any]:
    """Return what analysis.json and analysis.csv say of one file."""
    height, width = facts.size or (None, None)
    look = facts.look
    return {
        "name": facts.name,
        "category": facts.folder,
        "format": facts.kind,
        "named_as": facts.named_as,
        "bytes": facts.bytes,
        "width": width,
        "height": height,
        "findings": findings,
        "reason": facts.reason or " ".join(facts.faults),
        "coverage": None if look is None else round(look.coverage, 4),
        "coverage_from": None if look is None else ("alpha" if look.measured else "estimate"),
        "deviation": None if look is None else round(look.deviation, 2),
        "exif": None if facts.exif is None else list(facts.exif),
        "has_gps_position": facts.has_gps_position,
        "hash": None if look is None else f"{look.shape_hash:016x}",
        "digest": facts.digest or None,
    }


def _flat(value: Any) -> object:
    return " ".join(value) if isinstance(value, list) else value


def _drawings(analysis: Analysis) -> list[tuple[Drawing, str]]:
    """Return the drawings with their captions; those without data are left out."""
    drawn = []
    counts = {name: count for name, count in analysis.counts().most_common() if SEVERITIES[name]}
    if counts:
        drawn.append((bars("findings", counts, "pictures"), "Pictures with each finding."))
    sizes = _by_kind([facts for facts in analysis.files if facts.size is not None])
    if sizes:
        points = {
            kind: ([facts.size[1] for facts in group if facts.size], [facts.size[0] for facts in group if facts.size])
            for kind, group in sizes.items()
        }
        drawn.append((scatter("dimensions", points, "width, px", "height, px"), "Sizes in pixels, upright."))
    files = {kind: [facts.bytes / 1024 for facts in group] for kind, group in sizes.items()}
    if files:
        drawn.append((histogram("file-sizes", files, "KiB", "pictures", log=True), "File sizes by format."))
    coverage = {
        words: [facts.look.coverage for facts in analysis.usable if facts.look and facts.look.measured == measured]
        for words, measured in (("the file's own transparency", True), ("estimate", False))
    }
    coverage = {words: values for words, values in coverage.items() if values}
    if coverage:
        caption = "How much of the picture its object covers. Estimates are made on thumbnails of 96 px."
        drawn.append((histogram("coverage", coverage, "share of the picture", "pictures"), caption))
    summary = analysis.summary()
    if summary["with_exif"]:
        total = len(analysis.usable)
        present = {name: 100 * (1 - missing / total) for name, missing in summary["missing_exif"].items()}
        drawn.append((bars("exif", present, "% of the pictures have it", "{:.0f}"), "EXIF fields."))
    folders = {name: facts["pictures"] for name, facts in summary["categories"].items()}
    if len(folders) > 1:
        largest = dict(sorted(folders.items(), key=lambda item: -item[1])[:MAX_BARS])
        more = f" The {MAX_BARS} largest of {len(folders)}." if len(folders) > MAX_BARS else ""
        drawn.append((bars("categories", largest, "pictures"), f"Categories: the sub-folders.{more}"))
    return drawn


def _by_kind(files: list[FileFacts]) -> dict[str, list[FileFacts]]:
    groups = defaultdict(list)
    for facts in files:
        groups[facts.kind].append(facts)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))
