"""The wall clock of a process lasts beyond the end of Python's own."""

import os
import subprocess
import sys

from backend.contract.clock import WallClock
from backend.contract.settings import REPOSITORY


def test_time_goes_on_where_the_clock_cannot_be_read() -> None:
    wall: list[float | None] = [1000.0, None, None, 50.0, None]
    ticks = iter([1.0, 3.0, 8.0, 9.0, 10.0])

    def read() -> float:
        now = wall.pop(0)
        if now is None:
            raise OverflowError
        return now

    clock = WallClock(read, lambda: next(ticks))
    assert [clock() for _ in range(5)] == [1000.0, 1002.0, 1007.0, 50.0, 51.0]


def test_a_process_still_logs_and_dates_when_its_clock_has_ended() -> None:
    program = """
import time
real, ended = time.time, []
def clock():
    if ended:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")
    return real()
time.time = clock
import email.utils, logging
from backend.contract.clock import outlast_the_calendar
outlast_the_calendar()
ended.append(True)
logging.basicConfig(format="%(asctime)s %(message)s")
logging.error("still here")
email.utils.formatdate(time.time(), usegmt=True)
outlast_the_calendar()
assert abs(time.time() - real()) < 60
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0 and "still here" in ended.stderr and "Traceback" not in ended.stderr
