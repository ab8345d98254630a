"""How an engine asks for what it has computed before; with what stands behind it, engines have nothing to do."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
Compute = Callable[[], Arrays]
# Stage, what else the answer depends on, the input, and how to compute the answer: the answer, which may be written to.
Recall = Callable[[str, str, NDArray[Any], Compute], Arrays]


def recall_nothing(stage: str, detail: str, given: NDArray[Any], compute: Compute) -> Arrays:
    """Return what `compute` returns: the `Recall` of whoever has no cache."""
    return compute()
