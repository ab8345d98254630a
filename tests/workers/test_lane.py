"""The lanes: apart from each other, bounded, and stopping abandoned work."""

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

    async def run(self, lane: str, function: Callable[[Checkpoint], Any], client: str = "") -> Any:
        name = str(len(self.functions))
        self.functions[name] = function
        kind, options = ("remove-bg", MaskOptions()) if lane == "mask" else ("generate-mesh", MeshOptions())
        await self.runner.run(Work(kind, {}, options, name=name, client=client))
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


class Crowd:
    """A mask lane whose only worker is busy until `gate` opens, and the work that clients have asked it for."""

    def __init__(self, max_waiting: int) -> None:
        self.lanes, self.gate = runner(max_waiting=max_waiting), threading.Event()
        self.order: list[str] = []
        self.asked: list[tuple[str, asyncio.Task[Any]]] = []

    async def ask(self, *clients: str) -> None:
        """Ask for one piece of work of each of `clients`, in this order."""
        for client in clients:

            def function(checkpoint: Checkpoint, client: str = client) -> None:
                self.gate.wait(60)
                self.order.append(client)

            self.asked.append((client, asyncio.create_task(self.lanes.run("mask", function, client))))
            await asyncio.sleep(0)

    async def outcomes(self) -> dict[str, tuple[int, int]]:
        """Return how much work of each client was done and how much was refused."""
        self.gate.set()
        raised = await asyncio.gather(*(task for _, task in self.asked), return_exceptions=True)
        assert all(error is None or isinstance(error, OverloadedError) for error in raised)
        names = [client for client, _ in self.asked]
        done = [client for client, error in zip(names, raised, strict=True) if error is None]
        return {client: (done.count(client), names.count(client) - done.count(client)) for client in set(names)}


def test_clients_take_turns() -> None:
    async def scene() -> None:
        crowd = Crowd(max_waiting=16)
        await crowd.ask(*"aaaabbc")
        await crowd.outcomes()
        assert "".join(crowd.order) == "aabcaba"  # the first had begun before the others came

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("asked", "outcomes"),
    [
        ("aaaaaaaa", {"a": (6, 2)}),  # alone it may fill the lane
        ("aaaaaabbbbb", {"a": (3, 3), "b": (3, 2)}),
        ("aaaaaab", {"a": (5, 1), "b": (1, 0)}),
        ("aaaaaabbbccc", {"a": (2, 4), "b": (2, 1), "c": (2, 1)}),
        ("aaaabbaaaa", {"a": (4, 4), "b": (2, 0)}),
    ],
)
def test_a_full_lane_is_shared_between_clients(asked: str, outcomes: dict[str, tuple[int, int]]) -> None:
    async def scene() -> None:
        crowd = Crowd(max_waiting=5)
        await crowd.ask(*asked)
        assert await crowd.outcomes() == outcomes

    asyncio.run(scene())


def test_work_that_gives_up_its_place_is_the_newest_of_its_client_and_counts_as_refused() -> None:
    async def scene() -> None:
        crowd = Crowd(max_waiting=3)
        await crowd.ask(*"aaaa")
        crowd.lanes.runner.admit("mask", "b")  # asks for nothing yet
        await crowd.ask("b")
        await asyncio.wait([task for _, task in crowd.asked], return_when=asyncio.FIRST_COMPLETED)
        assert [task.done() for _, task in crowd.asked] == [False, False, False, True, False]
        (lane,) = (row for row in crowd.lanes.runner.status().lanes if row.lane == "mask")
        assert (lane.waiting, lane.running, lane.refused) == (3, 1, 1)
        with pytest.raises(OverloadedError):
            crowd.lanes.runner.admit("mask", "a")
        await crowd.outcomes()

    asyncio.run(scene())


def test_work_that_is_abandoned_leaves_its_place_to_its_client() -> None:
    async def scene() -> None:
        crowd = Crowd(max_waiting=3)
        await crowd.ask(*"aabb")
        (_, first), (_, second) = crowd.asked[0], crowd.asked[1]
        first.cancel()
        second.cancel()
        await asyncio.wait([first, second])
        del crowd.asked[:2]
        await crowd.ask(*"aaa")
        assert await crowd.outcomes() == {"a": (2, 1), "b": (2, 0)}

    asyncio.run(scene())
