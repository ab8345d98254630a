"""A folder that fills up -> batches of names that are new or changed, once they stop changing."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from watchfiles import Change, awatch

REST_S = 1.5  # unchanged size and time for this long: the file is complete
TICK_MS = 500
LOOK_ANYWAY_S = 30.0  # list the folder this often even without a change event


class Resting:
    """Tracks which files are new or changed since they were last taken, and have stopped changing."""

    def __init__(self, folder: Path, rest_s: float = REST_S) -> None:
        self._folder, self._rest_s = folder, rest_s
        self._taken: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}

    def take(self, names: list[str], now: float) -> list[str]:
        """Return those of `names` that are due at the monotonic time `now`; each is returned once, until it changes."""
        due = []
        for name in names:
            try:
                facts = (self._folder / name).stat()
            except OSError:  # gone again
                self._seen.pop(name, None)
                continue
            state = (facts.st_size, facts.st_mtime_ns)
            if self._taken.get(name) == state:
                continue
            seen, since = self._seen.get(name, (None, now))
            if seen != state:
                self._seen[name] = (state, now)
            elif now - since >= self._rest_s:
                self._taken[name] = state
                del self._seen[name]
                due.append(name)
        return due

    @property
    def waiting(self) -> bool:
        """Whether some file may still be changing."""
        return bool(self._seen)


async def waves(folder: Path, out: Path, listed: Callable[[], list[str]], resting: Resting) -> AsyncIterator[list[str]]:
    """Yield the pictures that are due, without end; `listed` returns the pictures of the folder."""
    outside = out.resolve()

    def inside(_: Change, path: str) -> bool:
        return not Path(path).is_relative_to(outside)

    looked = float("-inf")
    async for changes in awatch(
        folder, watch_filter=inside, step=50, debounce=400, rust_timeout=TICK_MS, yield_on_timeout=True
    ):
        now = time.monotonic()
        if changes or resting.waiting or now - looked > LOOK_ANYWAY_S:
            looked = now
            due = resting.take(listed(), now)
            if due:
                yield due
