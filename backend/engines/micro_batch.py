"""Dynamic micro-batching: calls already queued for one network are merged into one batch.

While the network is busy, callers queue up. When it is free, the first of them runs its own input together with the
queued ones of the same shape. No call waits for others to arrive, so an idle network adds no latency.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.contract.errors import MattemeshError

FAULTS = (MattemeshError, MemoryError, RuntimeError)  # what a network raises; torch.OutOfMemoryError is a RuntimeError
Network = Callable[[NDArray[Any]], NDArray[Any]]  # (B, …) -> (B, …)


class _Call:
    """One caller's input, and its answer once there is one."""

    def __init__(self, given: NDArray[Any]) -> None:
        self.given = given
        self.answer: NDArray[Any] | None = None
        self.alone = False  # the batch failed: this call runs by itself


class MicroBatcher:
    """`network`, called with up to `limit` inputs at once; `limit` 1 turns batching off."""

    def __init__(self, network: Network, limit: int = 1) -> None:
        self._network, self._limit = network, limit
        self._waiting: list[_Call] = []
        self._list, self._free = threading.Lock(), threading.Lock()

    def __call__(self, given: NDArray[Any]) -> NDArray[Any]:
        """Return the answer (1, …) to the input `given` (1, …). Raises what the network raises for it alone."""
        if self._limit == 1:
            return self._network(given)
        call = _Call(given)
        with self._list:
            self._waiting.append(call)
        with self._free:
            if call.answer is None and not call.alone:
                self._answer(self._take(call))
        return self._network(given) if call.answer is None else call.answer

    def _take(self, first: _Call) -> list[_Call]:
        with self._list:
            others = [call for call in self._waiting if call is not first and call.given.shape == first.given.shape]
            calls = [first, *others[: self._limit - 1]]
            self._waiting = [call for call in self._waiting if call not in calls]
        return calls

    def _answer(self, calls: list[_Call]) -> None:
        """Answer `calls` in one batch; if that fails each runs alone, so that an error reaches only its own caller."""
        try:
            answers = self._network(np.concatenate([call.given for call in calls]))
        except FAULTS:
            if len(calls) == 1:
                raise
            for call in calls:
                call.alone = True
        else:
            for index, call in enumerate(calls):
                call.answer = answers[index : index + 1]
