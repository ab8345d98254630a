"""The runs of an evaluation -> the files that `evaluate` leaves: JSON, CSV, sheets of the worst, drawings, the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.folders.datasets.evaluation import MEASURES, ScoredRun, compare
from backend.folders.datasets.evaluation_page import evaluation_page
from backend.folders.datasets.files_out import as_csv, as_json
from backend.folders.datasets.measures import LEVELS
from backend.folders.datasets.pairs import Pairing
from backend.folders.datasets.plots import Drawing, lines, stacked_bars
from backend.folders.datasets.worst_sheet import worst_sheet


@dataclass(frozen=True)
class Evaluation:
    """All measurements, and the pictures and options that they belong to."""

    images: Path
    masks: Path
    pairing: Pairing
    sampled: int  # pictures that were measured
    seed: int | None  # of the draw; None: all pictures were taken
    boundary_px: float
    jobs: int
    runs: Sequence[ScoredRun]


def evaluation_files(evaluation: Evaluation) -> dict[str, bytes]:
    """Return every file of the result by its name."""
    sheets = {f"worst-{number}.jpg": worst_sheet(run) for number, run in enumerate(evaluation.runs, start=1)}
    drawings = _drawings(evaluation.runs)
    summary = _summary(evaluation)
    return {
        "evaluation.json": as_json(summary),
        "evaluation.csv": _csv(evaluation.runs),
        "evaluation.html": evaluation_page(summary, evaluation.runs, list(sheets.values()), drawings),
        **{name: sheet for name, sheet in sheets.items() if sheet is not None},
        **{f"plots/{drawing.name}.png": drawing.png for drawing, _ in drawings},
    }


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    runs = evaluation.runs
    return {
        "images": str(evaluation.images),
        "masks": str(evaluation.masks),
        "pairs": len(evaluation.pairing.pairs),
        "measured": evaluation.sampled,
        "seed": evaluation.seed,
        "images_without_mask": evaluation.pairing.images_alone,
        "masks_without_image": evaluation.pairing.masks_alone,
        "boundary_px": evaluation.boundary_px,
        "jobs": evaluation.jobs,
        "runs": [_run(run, number) for number, run in enumerate(runs, start=1)],
        "comparisons": [compare(first, second) for place, first in enumerate(runs) for second in runs[place + 1 :]],
    }


def _run(run: ScoredRun, number: int) -> dict[str, Any]:
    return {
        "name": run.name,
        "options": run.options.model_dump(),
        "done": len(run.done),
        "failed": [{"image": each.image, "code": each.problem, "reason": each.reason} for each in run.failed],
        "sources": dict(run.sources()),
        "means": _rounded(run.means()),
        "seconds": _rounded(run.seconds()),
        "seconds_per_picture": round(sum(run.seconds().values()), 4),
        "worst": [each.image for each in run.worst()],
        "worst_sheet": f"worst-{number}.jpg" if run.done else None,
        "f_curve": [round(float(value), 4) for value in run.f_curve()],
        "items": [{"image": each.image, "source": each.source, **_rounded(each.measures)} for each in run.done],
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def _csv(runs: Sequence[ScoredRun]) -> bytes:
    header = ["setting", "image", "source", *MEASURES, "seconds", "problem"]
    rows = []
    for run in runs:
        for each in run.scores:
            figures = [round(each.measures[name], 4) if each.measures else "" for name in MEASURES]
            seconds = round(sum(each.seconds.values()), 4) if each.seconds else ""
            rows.append([run.name, each.image, each.source, *figures, seconds, each.problem])
    return as_csv(header, rows)


def _drawings(runs: Sequence[ScoredRun]) -> list[tuple[Drawing, str]]:
    """Return the drawings with their captions."""
    runs = [run for run in runs if run.done]
    if not runs:
        return []
    levels = np.arange(LEVELS) / (LEVELS - 1)
    shares = np.linspace(0, 1, 101)
    found = {run.name: (shares, np.quantile([each.measures["iou"] for each in run.done], shares)) for run in runs}
    cuts = lines("f-curves", {run.name: (levels, run.f_curve()) for run in runs}, "the matte is cut at", "mean F")
    spread = lines("iou", found, "share of the pictures, the worst to the best", "IoU")
    stages = list(dict.fromkeys(stage for run in runs for stage in run.seconds()))
    parts = {stage: [run.seconds().get(stage, 0.0) for run in runs] for stage in stages}
    largest = max(sum(run.seconds().values()) for run in runs)
    parts = {stage: taken for stage, taken in parts.items() if max(taken) > 0.005 * largest}  # to be seen at all
    time = stacked_bars("seconds", parts, [run.name for run in runs], "seconds a picture")
    return [
        (spread, "IoU of all pictures, from the worst to the best: the area above a line is what is missing."),
        (cuts, "Mean F by the level at which the matte is cut: a flat line is a decided matte."),
        (time, "Time by stage, without the loading of networks."),
    ]
