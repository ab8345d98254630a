"""Pairs of pictures and true masks, and settings to compare -> the measures of each setting."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.contract.errors import MattemeshError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Done
from backend.folders.datasets.measures import LEVELS
from backend.folders.datasets.pairs import Pair
from backend.folders.datasets.scoring import Score, ScoreWork, score_of
from backend.folders.runner import folder_runner, run_all

# Measure -> what it is called, and whether more is better.
MEASURES = {
    "iou": ("IoU", True),
    "mae": ("MAE", False),
    "max_f": ("max F", True),
    "s_measure": ("S", True),
    "e_measure": ("mean E", True),
    "boundary_f": ("boundary F", True),
    "foreground_kept": ("kept", True),
}
WORST = 10  # pictures on the sheet of each setting
PICTURE_LIMIT_S = 600.0
LOADING = "load"  # prefix of stages that run once per process; they are left out of a picture's seconds


@dataclass
class ScoredRun:
    """One setting over all pictures."""

    name: str
    options: MaskOptions
    scores: list[Score] = field(default_factory=list)  # in the order of the pairs; only the worst keep their strip

    @property
    def done(self) -> list[Score]:
        return [each for each in self.scores if not each.problem]

    @property
    def failed(self) -> list[Score]:
        return [each for each in self.scores if each.problem]

    def means(self) -> dict[str, float]:
        """Return the mean of each measure; `max_f` is the largest of the mean F over the levels, as in papers."""
        if not self.done:
            return {}
        found = {name: float(np.mean([each.measures[name] for each in self.done])) for name in MEASURES}
        return {**found, "max_f": float(self.f_curve().max())}

    def f_curve(self) -> NDArray[np.float64]:
        """Return the mean F at each of 256 levels."""
        curves = [each.f_curve for each in self.done if each.f_curve is not None]
        return np.asarray(np.mean(curves, axis=0)) if curves else np.zeros(LEVELS)

    def seconds(self) -> dict[str, float]:
        """Return the mean seconds of each stage a picture, in the order of the pipeline, without loading networks."""
        total: dict[str, float] = defaultdict(float)
        for each in self.done:
            for stage, taken in each.seconds.items():
                if not stage.startswith(LOADING):
                    total[stage] += taken
        return {stage: taken / len(self.done) for stage, taken in total.items()}

    def worst(self) -> list[Score]:
        """Return the pictures with the least IoU, the worst first."""
        return sorted(self.done, key=lambda each: (each.measures["iou"], each.image))[:WORST]

    def sources(self) -> Counter[str]:
        """Return how many masks came from which segmenter, or from the pictures' own transparency."""
        return Counter(each.source for each in self.done)


def evaluate_settings(
    pairs: Sequence[Pair],
    images: Path,
    masks: Path,
    options: Sequence[MaskOptions],
    settings: Settings,
    jobs: int,
    boundary_px: float,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> list[ScoredRun]:
    """Return a run for each of `options`; `on_picture` gets (done, total)."""
    runs = [ScoredRun(name, each) for name, each in zip(run_names(options), options, strict=True)]
    found: list[list[Score | None]] = [[None] * len(pairs) for _ in runs]
    done = 0

    def keep(index: int, result: Done | MattemeshError) -> None:
        nonlocal done
        place, run = divmod(index, len(options))
        found[run][place] = score_of(pairs[place].image, result)
        _forget_strips(found[run])
        done += 1
        on_picture(done, len(pairs) * len(options))

    work = (
        ScoreWork("remove-bg", {}, each, pair=pair, images=images, masks=masks, boundary_px=boundary_px)
        for pair in pairs
        for each in options
    )
    run_all(folder_runner(settings, jobs, PICTURE_LIMIT_S), work, keep)
    for each, scores in zip(runs, found, strict=True):
        each.scores = [one for one in scores if one is not None]
    return runs


def _forget_strips(scores: list[Score | None]) -> None:
    """Keep the pictures of the worst only: memory does not grow with the number of pictures."""
    kept = [each for each in scores if each is not None and each.strip]
    if len(kept) > 2 * WORST:
        kept.sort(key=lambda each: (each.measures["iou"], each.image))
        rest = {each.image for each in kept[WORST:]}
        scores[:] = [replace(each, strip=b"") if each is not None and each.image in rest else each for each in scores]


def run_names(options: Sequence[MaskOptions]) -> list[str]:
    """Return a name for each setting: its model, and whatever else differs between them."""
    differ = [name for name in ("quality", "strategy") if len({getattr(each, name) for each in options}) > 1]
    return [" · ".join([each.model, *(str(getattr(each, name)) for name in differ)]) for each in options]


def compare(first: ScoredRun, second: ScoredRun) -> dict[str, Any]:
    """Return how two runs differ on the pictures that both have: wins by IoU, and the mean difference."""
    other = {each.image: each.measures["iou"] for each in second.done}
    gains = [each.measures["iou"] - other[each.image] for each in first.done if each.image in other]
    return {
        "first": first.name,
        "second": second.name,
        "pictures": len(gains),
        "first_better": sum(gain > 0 for gain in gains),
        "second_better": sum(gain < 0 for gain in gains),
        "mean_gain": float(np.mean(gains)) if gains else 0.0,
    }


def table_of_runs(runs: Sequence[ScoredRun]) -> str:
    """Return the means of all runs as lines of text, the seconds of a picture and how many failed."""
    width = max(len("setting"), *(len(run.name) for run in runs))
    heads = "".join(f"{words:>11s}" for words, _ in MEASURES.values())
    lines = [f"{'setting':{width}s}{heads}{'s/picture':>11s}{'failed':>8s}"]
    for run in runs:
        means = run.means()
        cells = "".join(f"{means[name]:11.4f}" if means else f"{'':11s}" for name in MEASURES)
        lines.append(f"{run.name:{width}s}{cells}{sum(run.seconds().values()):11.3f}{len(run.failed):8d}")
    return "\n".join(lines)
