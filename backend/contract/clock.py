"""The wall clock of a process, which has to last whatever somebody sets the machine's clock to."""

import time
from collections.abc import Callable


class WallClock:
    """Returns what `read` does. Where `read` raises OverflowError, as Python's own clock does beyond the year 2262, the
    time goes on from the last one that could be read."""

    def __init__(self, read: Callable[[], float], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read, self._monotonic = read, monotonic
        self._ahead = 0.0  # of the monotonic clock

    def __call__(self) -> float:
        try:
            now = self._read()
        except OverflowError:
            return self._monotonic() + self._ahead
        self._ahead = now - self._monotonic()
        return now


def outlast_the_calendar() -> None:
    """Put a `WallClock` in the place of `time.time`, for this whole process: the log, the server and the libraries
    would raise from whatever line asks for the time."""
    if not isinstance(time.time, WallClock):
        time.time = WallClock(time.time)
        time.time()
