"""The lanes: apart from each other, bounded, and stopping what nobody waits for."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from backend.contract.errors import OverloadedError, TimedOutError
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.work import Done, Work
from tests.helpers.in_process import InProcessRunner

Checkpoint = Callable[[str], None]


class Lanes:
    """A runner whose work is any function of its checkpoint."""

    def __init__(self, **limits: float) -> None:
        self.results: dict[str, Any] = {}
        self.runner = InProcessRunner(Settings(**limits), self.perform)  # type: ignore[arg-type]
        self.functions: dict[str, Callable[[Checkpoint], Any]] = {}

    def perform(self, work: Work, checkpoint: Checkpoint) -> Done:
        self.results[work.name] = self.functions[work.name](checkpoint)
        return Done(())

    async def run(self, lane: str, function: Callable[[Checkpoint], Any]) -> Any:
        name = str(len(self.functions))
        self.functions[name] = function
        kind, options = ("remove-bg", MaskOptions()) if lane == "mask" else ("generate-mesh", MeshOptions())
        await self.runner.run(Work(kind, {}, options, name=name))
        return self.results[name]


def runner(**limits: float) -> Lanes:
    return Lanes(**limits)


def test_a_listener_hears_each_stage_begin() -> None:
    async def scene() -> None:
        heard: list[str] = []
        lanes = InProcessRunner(Settings(), lambda work, on_stage: [on_stage("decode"), Done(())][-1])
        await lanes.run(Work("remove-bg", {}, MaskOptions()), heard.append)
        await asyncio.sleep(0)
        assert heard == ["start", "decode"]

    asyncio.run(scene())


def test_work_comes_back_with_its_result_and_with_its_own_error() -> None:
    async def scene() -> None:
        lanes = runner()
        assert await lanes.run("mask", lambda checkpoint: 41 + 1) == 42
        with pytest.raises(ZeroDivisionError):
            await lanes.run("mask", lambda checkpoint: 1 // 0)
        assert await lanes.run("mask", lambda checkpoint: "next") == "next"

    asyncio.run(scene())


def test_a_mesh_never_holds_up_a_mask() -> None:
    async def scene() -> None:
        lanes, gate = runner(), threading.Event()
        mesh = asyncio.ensure_future(lanes.run("mesh", lambda checkpoint: gate.wait(60)))
        assert await lanes.run("mask", lambda checkpoint: "mask") == "mask"
        assert not mesh.done()
        gate.set()
        assert await mesh

    asyncio.run(scene())


def test_a_full_lane_refuses_and_takes_work_again_when_there_is_room() -> None:
    async def scene() -> None:
        lanes, gate = runner(max_waiting=1), threading.Event()
        waiting = [asyncio.ensure_future(lanes.run("mask", lambda checkpoint: gate.wait(60))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            await lanes.run("mask", lambda checkpoint: None)
        assert refused.value.numbers["limit"] == 1
        gate.set()
        await asyncio.gather(*waiting)
        assert await lanes.run("mask", lambda checkpoint: "room") == "room"

    asyncio.run(scene())


def test_work_past_its_deadline_stops_at_its_next_stage() -> None:
    stopped = threading.Event()

    def endless(checkpoint: Checkpoint) -> None:
        try:
            while True:
                time.sleep(0.01)
                checkpoint("stage")
        finally:
            stopped.set()

    async def scene() -> None:
        with pytest.raises(TimedOutError):
            await runner(mask_deadline_s=0.05).run("mask", endless)
        assert await asyncio.to_thread(stopped.wait, 60)

    asyncio.run(scene())


def test_work_that_waits_too_long_is_dropped_before_it_begins() -> None:
    async def scene() -> None:
        lanes, gate, ran = runner(queue_deadline_s=0.05), threading.Event(), []
        first = asyncio.ensure_future(lanes.run("mask", lambda checkpoint: gate.wait(60)))
        await asyncio.sleep(0)
        with pytest.raises(TimedOutError):
            await lanes.run("mask", lambda checkpoint: ran.append(1))
        gate.set()
        await first
        assert await lanes.run("mask", lambda checkpoint: "after") == "after"
        assert ran == []

    asyncio.run(scene())


def test_abandoned_work_stops_at_its_next_stage_and_frees_its_place() -> None:
    begun, stopped = threading.Event(), threading.Event()

    def work(checkpoint: Checkpoint) -> None:
        begun.set()
        try:
            while True:
                time.sleep(0.01)
                checkpoint("stage")
        finally:
            stopped.set()

    async def scene() -> None:
        lanes = runner()
        task = asyncio.ensure_future(lanes.run("mask", work))
        assert await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        assert await asyncio.to_thread(stopped.wait, 60)
        assert await lanes.run("mask", lambda checkpoint: "free") == "free"

    asyncio.run(scene())


def test_a_lane_has_the_capacity_of_the_workers_that_do_not_rest() -> None:
    async def scene() -> None:
        lanes = runner(mask_workers=2, batch_size=3).runner
        assert [lane.capacity for lane in lanes.status().lanes] == [6, 3]
        lanes._lanes["mask"].workers[0].rest_s = 5.0
        assert [lane.capacity for lane in lanes.status().lanes] == [3, 3]

    asyncio.run(scene())
