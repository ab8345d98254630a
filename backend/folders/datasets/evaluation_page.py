"""The runs of an evaluation -> the page that compares them and shows where they fail."""

from collections.abc import Sequence
from typing import Any

from backend.folders.datasets.evaluation import MEASURES, ScoredRun
from backend.folders.datasets.plots import Drawing
from backend.folders.html_page import render_page

MAX_ROWS = 3000  # of the tables by picture; evaluation.csv has all of them
ABOUT = {
    "iou": "intersection over union, cut at 0.5",
    "mae": "mean absolute error of the matte; less is better",
    "max_f": "largest mean F over all cuts (beta² = 0.3)",
    "s_measure": "structure measure",
    "e_measure": "enhanced alignment, mean over all cuts",
    "boundary_f": "F of the outlines within the tolerance",
    "foreground_kept": "share of the true object that the matte keeps",
}


def evaluation_page(
    summary: dict[str, Any],
    runs: Sequence[ScoredRun],
    sheets: Sequence[bytes | None],
    drawings: Sequence[tuple[Drawing, str]],
) -> bytes:
    """Return the page as HTML in UTF-8; `sheets` are the runs' worst pictures, `drawings` come with their captions."""
    best = max(runs, key=lambda run: run.means().get("iou", 0.0))
    means = [run.means() for run in runs]
    marks = {name: best_of([each.get(name) for each in means], more) for name, (_, more) in MEASURES.items()}
    failed = [(run.name, score) for run in runs for score in run.failed][:MAX_ROWS]
    drawn = "" if summary["seed"] is None else f", drawn from {summary['pairs']:,} with seed {summary['seed']}"
    values = {
        "title": "Evaluation of the masks",
        "subtitle": f"{summary['measured']:,} pictures{drawn}; {len(runs)} setting{'s' if len(runs) > 1 else ''}.",
        "command": "evaluate",
        "summary": summary,
        "best": best.name,
        "best_iou": best.means().get("iou", 0.0),
        "failures": sum(len(run.failed) for run in runs),
        "verdict": _verdict(runs, best.name, summary),
        "columns": [(words, "number", ABOUT[name]) for name, (words, _) in MEASURES.items()],
        "settings": [
            (run, [(found.get(name), marks[name][place]) for name in MEASURES], sum(run.seconds().values()))
            for place, (run, found) in enumerate(zip(runs, means, strict=True))
        ],
        "drawings": drawings,
        "sheets": [(run.name, sheet) for run, sheet in zip(runs, sheets, strict=True) if sheet is not None],
        "failed": failed,
        "codes": [(score.problem,) for _, score in failed],
        "picture_columns": [("picture", "", "")] + [
            (f"{run.name}: {words}" if len(runs) > 1 else words, "number", "")
            for run in runs for words in ("IoU", "boundary F")
        ],
        "pictures": _by_picture(runs),
    }  # fmt: skip
    return render_page("evaluation.html", values)


def best_of(values: Sequence[float | None], more: bool) -> list[bool]:
    """Return which of `values` are the best to the four digits shown; none where all read the same."""
    shown = [None if value is None else round(value, 4) for value in values]
    there = {value for value in shown if value is not None}
    best = (max if more else min)(there) if len(there) > 1 else None
    return [value is not None and value == best for value in shown]


def _verdict(runs: Sequence[ScoredRun], best: str, summary: dict[str, Any]) -> list[str]:
    """Return in sentences what the figures say and how they were taken."""
    sentences = [
        _compared(pair)
        for pair in summary["comparisons"]
        if pair["pictures"] and best in (pair["first"], pair["second"])
    ]
    own = sum(run.sources()["own-alpha"] for run in runs)
    if own:
        sentences.append(
            f"{own} masks are the transparency of the pictures themselves. Use --no-use-alpha to segment these too."
        )
    sentences.append(
        f"Boundary F allows {summary['boundary_px']:g} px. Seconds were measured with {summary['jobs']} pictures at a "
        "time and leave out the loading of networks. Bold: the best of a column."
    )
    return sentences


def _compared(pair: dict[str, Any]) -> str:
    first, second, pictures = pair["first"], pair["second"], pair["pictures"]
    if not pair["first_better"] + pair["second_better"]:
        return f"{first} and {second} do equally well on all {pictures} pictures."
    gain = f"{pair['mean_gain']:+.4f}" if abs(pair["mean_gain"]) >= 0.00005 else "less than 0.0001"
    return (
        f"{first} is better on {pair['first_better']} of {pictures} pictures, {second} on {pair['second_better']}; "
        f"the mean IoU differs by {gain}."
    )


def _by_picture(runs: Sequence[ScoredRun]) -> list[tuple[str, list[float | None]]]:
    """Return IoU and boundary F of each setting for every picture, the worst first."""
    found = [{each.image: each.measures for each in run.done} for run in runs]

    def worst(name: str) -> float:
        return min(measures[name]["iou"] for measures in found if name in measures)

    names = sorted({name for measures in found for name in measures}, key=lambda name: (worst(name), name))
    return [
        (name, [each.get(name, {}).get(measure) for each in found for measure in ("iou", "boundary_f")])
        for name in names[:MAX_ROWS]
    ]
