"""Waits for a state with a bound that no busy machine reaches: a test that gets there has failed for another reason."""

import time
from collections.abc import Callable

PATIENCE_S = 60.0


def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S, why: Callable[[], str] = lambda: "") -> None:
    """Wait until `condition` holds. AssertionError with `why` after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"it did not come to pass: {why()}"
        time.sleep(0.01)
