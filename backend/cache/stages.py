"""What networks answered before, kept by what exactly they were asked: their input, weights and precision.

A network is wrapped where arrays go in and arrays come out, so what comes back is bit for bit what was computed, and
everything around the network (resizing, refining, exporting) is done anew with the options of the day.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.cache.cache import Cache, open_cache
from backend.cache.identity import build_fingerprint
from backend.cache.memoize import Arrays, Compute, Memoize
from backend.contract.settings import Settings
from backend.contract.work import CacheOutcome, CacheUse

DTYPES = frozenset({"float32", "float64", "uint8", "bool"})


@dataclass
class Run:
    """What the caches did for one piece of work, while it runs."""

    use: CacheUse
    outcomes: dict[str, CacheOutcome] = field(default_factory=dict)  # a hit: each time that the stage asked
    models: dict[str, str] = field(default_factory=dict)  # the engines that took part: name -> fingerprint


class StageCache:
    """Stages by content, for all networks of one process. Outside a `run` it only computes: a warm-up has to be one."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache
        self._run: ContextVar[Run | None] = ContextVar("run", default=None)

    @contextmanager
    def run(self, use: CacheUse) -> Iterator[Run]:
        """Yield the notebook of the work that the body does, in this thread."""
        run = Run(use)
        token = self._run.set(run)
        try:
            yield run
        finally:
            self._run.reset(token)

    def took_part(self, model: str, fingerprint: str) -> None:
        """Note that the work in hand uses `model`."""
        run = self._run.get()
        if run is not None:
            run.models[model] = fingerprint

    def of(self, fingerprint: str) -> Memoize:
        """Return the memoization hook of the engine with that fingerprint."""

        def memoize(stage: str, detail: str, given: NDArray[Any], compute: Compute) -> Arrays:
            run = self._run.get()
            if run is None or self._cache is None or run.use == "avoid":
                return compute()
            key = stage_key(stage, f"{fingerprint} {detail}", given)
            answer = _find(self._cache, key) if run.use == "use" else None
            hit = answer is not None and run.outcomes.get(stage, "hit") == "hit"
            run.outcomes[stage] = "hit" if hit else "miss"
            if answer is None:
                answer = compute()
                _keep(self._cache, key, answer)
            return answer

        return memoize


def stage_key(stage: str, detail: str, given: NDArray[Any]) -> str:
    """Return the key of a stage's answer to `given`: its shape, type and every byte count."""
    digest = hashlib.sha256(f"{build_fingerprint()} {detail} {given.dtype} {given.shape}\n".encode())
    digest.update(np.ascontiguousarray(given).data)
    return f"{stage}/{digest.hexdigest()}"


def _find(cache: Cache, key: str) -> Arrays | None:
    found = cache.find(key)
    if found is None:
        return None
    header, parts = found
    arrays = []
    for row, part in zip(header["arrays"], parts, strict=True):
        if row["dtype"] not in DTYPES:
            return None
        arrays.append(np.frombuffer(part, row["dtype"]).reshape(row["shape"]).copy())
    return tuple(arrays)


def _keep(cache: Cache, key: str, answer: Arrays) -> None:
    header = {"arrays": [{"dtype": str(array.dtype), "shape": array.shape} for array in answer]}
    cache.keep(key, header, [array.tobytes() for array in answer])


def open_stages(settings: Settings) -> StageCache:
    """Return the stage caches that the settings describe; where there is no cache, one that only computes."""
    return StageCache(open_cache(settings))
