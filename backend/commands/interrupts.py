"""Ctrl-C: one interruption however often it is pressed, and none once the command is ending."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """A handler of SIGINT that interrupts at its first call and does nothing at others.

    Python's own handler raises each time, so that a second Ctrl-C can fall into the tidying up after the first, and
    one that falls where nothing catches it ends the process by the signal in place of a status.
    """

    def __init__(self) -> None:
        self._seen = False
        self._interrupt: Callable[[], object] = _raise

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Interrupt once: raise KeyboardInterrupt, or do what `calling` says."""
        if not self._seen:
            self._seen = True
            self._interrupt()

    @contextmanager
    def calling(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Call `interrupt` in place of raising KeyboardInterrupt while the body runs."""
        self._interrupt = interrupt
        try:
            yield
        finally:
            self._interrupt = _raise

    def end(self) -> None:
        """Ignore Ctrl-C in the rest of this process, whose interpreter would restore the default action as it ends."""
        self._seen = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _raise() -> None:
    raise KeyboardInterrupt
