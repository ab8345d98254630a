"""An event loop whose clock jumps to the next timer, so that laws about minutes are tested exactly and at once."""

import asyncio
import selectors
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0 and passes only where all tasks wait for a timer. Not for code that waits for sockets."""

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Asked to wait for a time, lets that time pass on its loop's clock and waits for nothing."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._loop.jump(timeout)
        return super().select(0 if timeout is not None else None)
