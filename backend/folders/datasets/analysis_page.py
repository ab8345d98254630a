"""An analysis -> the page that says what to fix and shows which pictures are meant."""

from collections.abc import Sequence
from typing import Any

from backend.folders.datasets.advice import Advice
from backend.folders.datasets.analysis import Analysis
from backend.folders.datasets.findings import SEVERITIES, Severity
from backend.folders.datasets.inspection import FileFacts
from backend.folders.datasets.plots import Drawing
from backend.folders.html_page import render_page

MAX_ROWS = 2000  # pictures shown; analysis.csv has all of them
MAX_GROUPS = 200
_RANKS: dict[Severity, int] = {"bad": 0, "warn": 1, "": 2}


def analysis_page(analysis: Analysis, advised: Sequence[Advice], drawings: Sequence[tuple[Drawing, str]]) -> bytes:
    """Return the page as HTML in UTF-8; `drawings` come with their captions."""
    summary = analysis.summary()
    judged = analysis.judged
    severities = [_worst(found) for found in judged.findings]
    groups = [_group(analysis, "identical", group) for group in judged.identical]
    groups += [_group(analysis, "near-duplicate", group) for group in judged.alike]
    groups.sort(key=lambda group: -len(group["files"]))
    rows = _rows(analysis)
    others = sum(analysis.others.values())
    ignored = f" {others:,} other file{'s were' if others > 1 else ' was'} ignored." if others else ""
    values = {
        "title": f"Analysis of {analysis.walk.folder.resolve().name or analysis.walk.folder}",
        "subtitle": f"{len(analysis.files):,} pictures in {len(summary['categories']):,} folders.{ignored}",
        "command": "analyze",
        "analysis": analysis,
        "bad": severities.count("bad"),
        "warned": severities.count("warn"),
        "copies": sum(len(group) - 1 for group in judged.identical),
        "alike": sum(len(group) - 1 for group in judged.alike),
        "advised": [(each.severity, each.what, each.todo, each.tag) for each in advised],
        "drawings": drawings,
        "groups": groups[:MAX_GROUPS],
        "all_groups": len(groups),
        "categories": summary["categories"],
        "missing_exif": summary["missing_exif"],
        "rows": rows[:MAX_ROWS],
        "found": len(rows),
    }
    return render_page("analysis.html", values)


def _worst(findings: Sequence[str]) -> Severity:
    return min((SEVERITIES[name] for name in findings), key=_RANKS.__getitem__, default="")


def _group(analysis: Analysis, kind: str, indices: Sequence[int]) -> dict[str, Any]:
    """Return one group of alike pictures and the one to keep: the most pixels, then the most bytes."""

    def worth(facts: FileFacts) -> tuple[int, int]:
        height, width = facts.size or (0, 0)
        return height * width, facts.bytes

    files = [analysis.files[index] for index in indices]
    return {"kind": kind, "tags": (kind,), "files": files, "best": max(files, key=worth)}


def _rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the pictures with findings, the worst first, but for `no-exif`: it holds for nearly all or for none."""
    rows = []
    for facts, findings in zip(analysis.files, analysis.judged.findings, strict=True):
        tags = [name for name in findings if name != "no-exif"]
        if tags:
            rows.append({"facts": facts, "tags": tags, "labels": [(name, SEVERITIES[name]) for name in tags]})
    return sorted(rows, key=lambda row: _RANKS[_worst(row["tags"])])
