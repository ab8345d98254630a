"""Stage cache: the networks' earlier answers by input, weights and precision.

Only the network itself is memoized, arrays in and arrays out, so an answer is bit for bit the computed one, and
everything around it (resizing, refining, exporting) runs with the options of each request.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from backend.cache.cache import Cache, open_cache
from backend.cache.identity import build_fingerprint
from backend.cache.memoize import Arrays, Compute, Memoize
from backend.contract.settings import Settings
from backend.contract.work import CacheOutcome, CacheUse


@dataclass
class Run:
    """Cache use of one piece of work while it runs."""

    use: CacheUse  # whether answers are looked up and kept
    outcomes: dict[str, CacheOutcome] = field(default_factory=dict)  # stage -> hit if each of its look-ups was one
    models: dict[str, str] = field(default_factory=dict)  # engine that ran -> its fingerprint


class StageCache:
    """Answers by content, for all networks of one process. Outside a `run` it only computes, as a warm-up must."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache
        self._run: ContextVar[Run | None] = ContextVar("run", default=None)

    @contextmanager
    def run(self, use: CacheUse) -> Iterator[Run]:
        """Yield the record of the work that the body does in this thread."""
        run = Run(use)
        token = self._run.set(run)
        try:
            yield run
        finally:
            self._run.reset(token)

    def took_part(self, model: str, fingerprint: str) -> None:
        """Record that the current work uses `model`."""
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
    """Return the key of a stage's answer to `given`: it depends on shape, dtype and every byte."""
    digest = hashlib.sha256(f"{build_fingerprint()} {detail} {given.dtype} {given.shape}\n".encode())
    digest.update(np.ascontiguousarray(given).data)
    return f"{stage}/{digest.hexdigest()}"


def _find(cache: Cache, key: str) -> Arrays | None:
    found = cache.find(key)
    if found is None:
        return None
    header, parts = found
    try:
        rows = KeptArrays.model_validate(header).arrays
        pairs = zip(rows, parts, strict=True)
        return tuple(np.frombuffer(part, row.dtype).reshape(row.shape).copy() for row, part in pairs)
    except ValueError:  # another shape: a miss
        return None


class KeptArray(BaseModel):
    """Shape and type of one array; its bytes are a part of the entry."""

    dtype: Literal["float32", "float64", "int64", "uint8", "bool"]
    shape: list[Annotated[int, Field(ge=0)]]


class KeptArrays(BaseModel):
    """The header of a kept stage."""

    arrays: list[KeptArray]


def _keep(cache: Cache, key: str, answer: Arrays) -> None:
    header = {"arrays": [{"dtype": str(array.dtype), "shape": array.shape} for array in answer]}
    cache.keep(key, header, [array.tobytes() for array in answer])


def open_stages(settings: Settings) -> StageCache:
    """Return the stage cache that the settings describe; without a cache, one that only computes."""
    return StageCache(open_cache(settings))
