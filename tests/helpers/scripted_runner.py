"""A runner for tests of jobs: lanes of any capacity, and work that is any coroutine function."""

import asyncio
from collections.abc import Awaitable, Callable

from backend.contract.runner import LaneStatus, RunnerStatus
from backend.contract.work import Done, File, Lane, OnStage, Stage, Work

Script = Callable[[Work, OnStage], Awaitable[Done]]
RESULT = b"\x89PNG and more"


def done(*names: str, data: bytes = RESULT) -> Done:
    """Return a result with files of these names, by default one mask."""
    files = tuple(File(name, "image/png", data) for name in names or ("mask.png",))
    return Done(files, (Stage("decode", 0.25, "cpu"), Stage("segment", 0.75, "cpu")), report={"seconds": 1.0})


async def two_stages(work: Work, on_stage: OnStage) -> Done:
    """Work of two stages: the default."""
    on_stage("start")
    on_stage("decode")
    await asyncio.sleep(0)
    on_stage("segment")
    return done()


async def endless(work: Work, on_stage: OnStage) -> Done:
    """Work that ends only when it is cancelled."""
    on_stage("start")
    on_stage("decode")
    await asyncio.Event().wait()
    raise AssertionError


class ScriptedRunner:
    """Follows `script`, which a test may replace, as its `capacity`; remembers what it was asked to do."""

    def __init__(self, script: Script = two_stages, capacity: int = 1) -> None:
        self.script = script
        self.capacity: dict[Lane, int] = {"mask": capacity, "mesh": capacity}
        self.asked: list[Work] = []

    async def run(self, work: Work, on_stage: OnStage) -> Done:
        self.asked.append(work)
        return await self.script(work, on_stage)

    def admit(self, lane: str, client: str) -> None:
        pass

    def status(self) -> RunnerStatus:
        lanes = tuple(LaneStatus(lane, 0, 0, capacity, 0) for lane, capacity in self.capacity.items())
        return RunnerStatus(True, "", lanes, ())

    def start(self) -> None:
        """Nothing starts."""

    def close(self) -> None:
        """Nothing ends."""
