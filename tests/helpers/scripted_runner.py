"""A runner for tests of jobs: one place a lane, and work that is any coroutine function."""

import asyncio
from collections.abc import Awaitable, Callable

from backend.contract.runner import RunnerStatus, WorkerStatus
from backend.contract.work import Done, File, OnStage, Stage, Work

Script = Callable[[Work, OnStage], Awaitable[Done]]
RESULT = b"\x89PNG and more"


def done(*names: str, data: bytes = RESULT) -> Done:
    """Return a result with files of these names, by default one mask."""
    files = tuple(File(name, "image/png", data) for name in names or ("mask.png",))
    return Done(files, (Stage("decode", 0.25, "cpu"), Stage("segment", 0.75, "cpu")), report={"seconds": 1.0})


async def two_stages(work: Work, on_stage: OnStage) -> Done:
    """What most tests run."""
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
    """Follows `script`, which a test may replace; remembers what it was asked to do."""

    def __init__(self, script: Script = two_stages) -> None:
        self.script = script
        self.asked: list[Work] = []

    async def run(self, work: Work, on_stage: OnStage) -> Done:
        self.asked.append(work)
        return await self.script(work, on_stage)

    def admit(self, lane: str) -> None:
        pass

    def status(self) -> RunnerStatus:
        workers = tuple(WorkerStatus(lane, 0, "idle") for lane in ("mask", "mesh"))
        return RunnerStatus(True, "", (), workers)

    def start(self) -> None:
        """Nothing starts."""

    def close(self) -> None:
        """Nothing ends."""
