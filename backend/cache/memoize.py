"""Memoization hook for engines, in a module of its own so that they import no cache: none may be behind it."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
Compute = Callable[[], Arrays]
# Called with the stage's name, a text of what else the answer depends on, the input, and how to compute the answer.
# Returns the answer, which the caller may write to.
Memoize = Callable[[str, str, NDArray[Any], Compute], Arrays]


def compute_always(stage: str, detail: str, given: NDArray[Any], compute: Compute) -> Arrays:
    """Return what `compute` returns: the `Memoize` of an engine without a cache."""
    return compute()
