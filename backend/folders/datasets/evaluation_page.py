"""The runs of an evaluation -> the page that sets them side by side and shows where they fail."""

from collections.abc import Sequence
from typing import Any

from backend.folders.datasets.evaluation import MEASURES, Run
from backend.folders.html_page import (
    Cell,
    Column,
    Row,
    escape,
    figures,
    page,
    paragraph,
    picture,
    section,
    table,
    tiles,
)

MOST_ROWS = 3000  # of the table by picture; all of them stand in evaluation.csv
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
    summary: dict[str, Any], runs: Sequence[Run], sheets: Sequence[bytes | None], drawings: list[tuple[str, str]]
) -> str:
    """Return the page as HTML; `sheets` are the runs' worst pictures, `drawings` SVG elements with captions."""
    parts = [
        _tiles(runs, summary),
        section("Side by side", *(paragraph(sentence) for sentence in _verdict(runs, summary)), _side_by_side(runs)),
    ]
    if drawings:
        parts.append(section("In figures", figures(drawings)))
    parts += [
        section(f"The worst of {run.name}", f"<figure>{picture(sheet, f'the worst pictures of {run.name}')}</figure>")
        for run, sheet in zip(runs, sheets, strict=True)
        if sheet is not None
    ]
    parts += [_failures(runs), _by_picture(runs)]
    drawn = "" if summary["seed"] is None else f", drawn from {summary['pairs']:,} with seed {summary['seed']}"
    subtitle = f"{summary['measured']:,} pictures{drawn}; {len(runs)} setting{'s' if len(runs) > 1 else ''}."
    return page("Evaluation of the masks", subtitle, parts, "Made by `evaluate` of Mattemesh.")


def _tiles(runs: Sequence[Run], summary: dict[str, Any]) -> str:
    best = _best_run(runs)
    failed = sum(len(run.failed) for run in runs)
    alone = len(summary["images_without_mask"])
    return tiles(
        [
            (f"{best.means().get('iou', 0.0):.3f}", f"best mean IoU: {best.name}", ""),
            (f"{summary['measured']:,}", "pictures measured", ""),
            (f"{failed:,}", "failed", "bad" if failed else "good"),
            (f"{alone:,}", "pictures without a mask", "warn" if alone else "good"),
        ]
    )


def _best_run(runs: Sequence[Run]) -> Run:
    return max(runs, key=lambda run: run.means().get("iou", 0.0))


def _verdict(runs: Sequence[Run], summary: dict[str, Any]) -> list[str]:
    """Return in sentences what the figures say, and what there is to know about them."""
    told = []
    best = _best_run(runs).name
    for pair in summary["comparisons"]:
        if pair["pictures"] and best in (pair["first"], pair["second"]):
            told.append(_compared(pair))
    own = sum(run.sources()["own-alpha"] for run in runs)
    if own:
        told.append(
            f"{own} masks are the pictures' own transparency, which no segmenter made; --no-use-alpha segments them."
        )
    told.append(
        f"Boundary F allows {summary['boundary_px']:g} px. Seconds are those of {summary['jobs']} at a time, without "
        "the loading of networks. The best of a column is set in bold."
    )
    return told


def _compared(pair: dict[str, Any]) -> str:
    first, second, pictures = pair["first"], pair["second"], pair["pictures"]
    if not pair["first_better"] + pair["second_better"]:
        return f"{first} and {second} do equally well on all {pictures} pictures."
    gain = f"{pair['mean_gain']:+.4f}" if abs(pair["mean_gain"]) >= 0.00005 else "less than 0.0001"
    return (
        f"{first} is the better one on {pair['first_better']} of {pictures} pictures, {second} on "
        f"{pair['second_better']}; by {gain} IoU on average."
    )


def _side_by_side(runs: Sequence[Run]) -> str:
    columns = [Column("setting"), Column("pictures", number=True)]
    columns += [Column(words, number=True, about=ABOUT[name]) for name, (words, _) in MEASURES.items()]
    columns += [Column("s a picture", number=True), Column("masks made by")]
    best = {name: _best([run.means()[name] for run in runs if run.done], more) for name, (_, more) in MEASURES.items()}
    rows = []
    for run in runs:
        means = run.means()
        cells = [_figure(means.get(name), best[name]) for name in MEASURES]
        seconds = sum(run.seconds().values())
        sources = ", ".join(f"{name} {count}" for name, count in run.sources().most_common())
        name = Cell(escape(run.name), run.name, "name")
        rows.append(Row([name, len(run.done), *cells, Cell(f"{seconds:.2f}", seconds), sources]))
    return table(columns, rows, "settings", "Search settings")


def _best(values: list[float], more: bool) -> float | None:
    shown = {round(value, 4) for value in values}
    if len(shown) < 2:  # nothing to stand out from
        return None
    return max(shown) if more else min(shown)


def _figure(value: float | None, best: float | None) -> Cell | None:
    if value is None:
        return None
    return Cell(f"{value:.4f}", value, "best" if round(value, 4) == best else "")


def _failures(runs: Sequence[Run]) -> str:
    rows = [
        Row([Cell(f"<code>{escape(each.image)}</code>", each.image, "name"), run.name, each.problem, each.reason],
            (each.problem,))
        for run in runs
        for each in run.failed
    ]  # fmt: skip
    if not rows:
        return ""
    columns = (Column("picture"), Column("setting"), Column("code"), Column("why"))
    return section("Pictures that failed", table(columns, rows[:MOST_ROWS], "failures", "Search failures"))


def _by_picture(runs: Sequence[Run]) -> str:
    """Return a table of every picture: IoU and boundary F of each setting, the worst on top."""
    found = [{each.image: each.measures for each in run.done} for run in runs]
    names = {name for measures in found for name in measures}

    def worst(name: str) -> float:
        return min(measures[name]["iou"] for measures in found if name in measures)

    ordered = sorted(names, key=lambda name: (worst(name), name))[:MOST_ROWS]
    columns = [Column("picture")]
    for run in runs:
        prefix = f"{run.name}: " if len(runs) > 1 else ""
        columns += [Column(f"{prefix}IoU", number=True), Column(f"{prefix}boundary F", number=True)]
    rows = []
    for name in ordered:
        cells: list[Cell | str | float | None] = [Cell(f"<code>{escape(name)}</code>", name, "name")]
        for measures in found:
            for measure in ("iou", "boundary_f"):
                value = measures[name][measure] if name in measures else None
                cells.append(None if value is None else Cell(f"{value:.3f}", value))
        rows.append(Row(cells))
    words = "The worst first; every measure of every picture stands in evaluation.csv."
    return section("By picture", paragraph(words), table(columns, rows, "by-picture", "Search pictures"))
