"""How far a job is, judged by what each stage took in earlier jobs of its sort."""

import time
from collections.abc import Mapping
from typing import Any

from backend.contract.work import Stage

NEWEST_WEIGHT = 0.3  # of the latest run in what a stage usually takes; the rest is all before it, fading
SLOWEST, FASTEST = 20.0, 0.05  # a job's own pace against the usual one: photos differ in size


def profile(kind: str, options: Mapping[str, Any]) -> str:
    """Return the sort of work that takes about as long: its kind and the options that choose other networks."""
    return " ".join([kind, *(str(options.get(name, "")) for name in ("model", "quality", "strategy", "engine"))])


def learned(usual: Mapping[str, float], stages: tuple[Stage, ...]) -> dict[str, float]:
    """Return what each stage usually takes after one more run; a stage that was left out is forgotten."""
    taken: dict[str, float] = {}
    for stage in stages:
        taken[stage.name] = taken.get(stage.name, 0.0) + stage.seconds
    return {
        name: seconds + (1 - NEWEST_WEIGHT) * (usual[name] - seconds) if name in usual else seconds
        for name, seconds in taken.items()
    }


class Progress:
    """The stages of one run as they begin. `usual` has the seconds each usually takes, in order; empty when unknown."""

    def __init__(self, usual: Mapping[str, float]) -> None:
        self._usual = dict(usual)
        self._total = sum(usual.values())
        self._finished: list[dict[str, Any]] = []
        self._stage: str | None = None
        self._since = self._first = 0.0
        self._behind = 0.0  # usual seconds of the stages behind us
        self.begun = False

    def start(self) -> None:
        """Note that the work begins."""
        self.begun = True
        self._first = time.monotonic()

    def begin(self, stage: str) -> dict[str, Any]:
        """Note that `stage` begins, and return what an event says of it."""
        now = time.monotonic()
        if self._stage is not None:
            self._finished.append({"name": self._stage, "seconds": round(now - self._since, 4)})
        self._stage, self._since = stage, now
        if stage in self._usual:
            names = list(self._usual)
            before = sum(self._usual[name] for name in names[: names.index(stage)])
            self._behind = max(self._behind, before)  # a stage that comes back does not take us back
        told = self.told()
        index, fraction, left = len(self._finished), told["fraction"], told["seconds_left"]
        return {"name": stage, "index": index, "fraction": fraction, "seconds_left": left}

    def told(self) -> dict[str, Any]:
        """Return the progress as a job's document has it."""
        stage, finished = self._stage, [*self._finished]
        if stage is None or self._total <= 0:
            return {"stage": stage, "stages": finished, "fraction": 0.0, "seconds_left": None}
        now = time.monotonic()
        here = min(now - self._since, self._usual.get(stage, 0.0))
        fraction = min((self._behind + here) / self._total, 1.0)
        # As if a tenth of the work had gone at the usual pace before: the first stages alone say little.
        head_start = 0.1 * self._total
        pace = (now - self._first + head_start) / (self._behind + here + head_start)
        left = (1.0 - fraction) * self._total * min(max(pace, FASTEST), SLOWEST)
        return {"stage": stage, "stages": finished, "fraction": round(fraction, 3), "seconds_left": round(left, 2)}
