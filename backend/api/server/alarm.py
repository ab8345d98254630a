"""A timer of the event loop that is often set and seldom rings."""

import asyncio
from collections.abc import Callable


class Alarm:
    """One timer that can be set, set again and cleared."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        return self._timer is not None

    def set(self, seconds: float, ring: Callable[[], None]) -> None:
        self.clear()
        self._timer = self._loop.call_later(seconds, ring)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
