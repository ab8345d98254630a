"""Equal work that is asked for while it runs: computed once, and its result goes to all who wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

from backend.contract.work import Done, OnStage


@dataclass
class _Flight:
    """Work that runs, and who waits for it."""

    task: asyncio.Task[Done] | None = None
    listeners: list[OnStage] = field(default_factory=list)  # one of each waiter
    stages: list[str] = field(default_factory=list)  # begun so far

    def hear(self, stage: str) -> None:
        self.stages.append(stage)
        for on_stage in self.listeners:
            on_stage(stage)


class SingleFlight:
    """The work that runs now, by the key of its result."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def run(self, key: str, start: Callable[[OnStage], Awaitable[Done]], on_stage: OnStage) -> Done:
        """Return the result of the work that runs under `key`, or else of `start`, which begins it.

        Raises what the work raises, for everyone who waits. Cancelling one of several waiters lets the work go on.
        Each waiter gets files of its own to close.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            flight.task = asyncio.create_task(self._fly(key, flight, start))
        for stage in flight.stages:
            on_stage(stage)
        assert flight.task is not None
        listener = partial(on_stage)  # an object of its own, even where two waiters bring the same function
        flight.listeners.append(listener)
        try:
            done = await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if len(flight.listeners) == 1:
                self._end(key, flight)
                flight.task.cancel()
            raise
        else:
            return done if len(flight.listeners) == 1 else replace(done, files=tuple(f.shared() for f in done.files))
        finally:
            flight.listeners.remove(listener)

    async def _fly(self, key: str, flight: _Flight, start: Callable[[OnStage], Awaitable[Done]]) -> Done:
        try:
            return await start(flight.hear)
        finally:
            self._end(key, flight)

    def _end(self, key: str, flight: _Flight) -> None:
        """Take no more waiters; after a cancel, another flight may have the key already."""
        if self._flights.get(key) is flight:
            del self._flights[key]
