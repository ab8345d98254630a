"""The service as `python -m backend serve` starts it, with a runner in place of worker processes that sleeps for
`WORK_S`: what is between several services is tried without the time that their networks take to load.

    RealService(folder, settings, FRONT)
"""

import asyncio
import os
import sys

from backend.cli import main
from backend.commands import serve
from backend.contract.errors import OverloadedError
from backend.contract.runner import LaneStatus, RunnerStatus, ignore_stage
from backend.contract.settings import Settings
from backend.contract.work import Done, File, Lane, OnStage, Work
from backend.jobs import postgres, shared
from backend.main import create_app

FRONT = (sys.executable, "-m", "tests.helpers.front")
PLACES = 2


class SleepingRunner:
    """Two places for masks, and as many waiting as MAX_WAITING says; every answer is the same."""

    def __init__(self, settings: Settings, work_s: float) -> None:
        self._settings, self._work_s = settings, work_s
        self._places = asyncio.Semaphore(PLACES)
        self._inside = self._begun = self._refused = 0

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        self.admit(work.lane, work.client)
        self._inside += 1
        try:
            async with self._places:
                self._begun += 1
                on_stage("start")
                on_stage("decode")
                await asyncio.sleep(self._work_s)
        finally:
            self._inside -= 1
        return Done((File("mask.png", "image/png", work.files["file"][:100]),), report={"pid": os.getpid()})

    def admit(self, lane: Lane, client: str) -> None:
        if self._inside >= PLACES + self._settings.max_waiting:
            self._refused += 1
            raise OverloadedError("Full.")

    def start(self) -> None:
        """Nothing starts."""

    def status(self) -> RunnerStatus:
        waiting = max(0, self._inside - PLACES)
        limit, counts = self._settings.max_waiting, (self._begun, self._refused)
        mask = LaneStatus("mask", waiting, self._inside - waiting, PLACES, limit, *counts)
        return RunnerStatus(True, "", (mask, LaneStatus("mesh", 0, 0, 0, 0)), ())

    def close(self) -> None:
        """Nothing ends."""


if __name__ == "__main__":
    work_s = float(os.environ.get("WORK_S", "0.02"))
    postgres.SILENT_S, shared.BEAT_S, shared.SWEEP_S = 5.0, 0.5, 1.0  # a test waits for them
    serve.create_app = lambda settings: create_app(settings, SleepingRunner(settings, work_s))
    sys.exit(main(sys.argv[1:]))
