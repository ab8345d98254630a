"""Masks by a remote service have a lane of their own: a slow service holds up no other work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.api.metrics.scraped import Snapshot, exposition
from backend.contract.errors import OverloadedError, TimedOutError
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.runner import LaneStatus
from backend.contract.work import Work
from backend.workers.process_runner import ProcessRunner
from tests.workers.test_process_runner import play, until, work

KEY = {"removebg_api_key": "a-key"}


def remote(name: str, client: str = "") -> Work:
    return Work("remove-bg", {"file": b""}, MaskOptions(model="removebg"), name=name, client=client)


def lane(runner: ProcessRunner, name: str = "remote") -> LaneStatus:
    return next(row for row in runner.status().lanes if row.lane == name)


def pids(runner: ProcessRunner, name: str) -> set[int | None]:
    return {row.pid for row in runner.status().workers if row.lane == name}


@asynccontextmanager
async def held(runner: ProcessRunner, gate: Path, count: int) -> AsyncIterator[list["asyncio.Future[Any]"]]:
    """`count` pieces of remote work that wait for their service until the block ends, all of them begun."""
    waiting = [asyncio.ensure_future(runner.run(remote(f"held:{gate}"))) for _ in range(count)]
    await until(lambda: lane(runner).running == count)
    yield waiting
    gate.touch()
    await asyncio.gather(*waiting)


def test_local_masks_and_meshes_are_answered_while_remote_ones_wait(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        async with held(runner, tmp_path / "gate", 2) as waiting:
            for _ in range(3):
                assert (await runner.run(work("echo", b"x"))).files[0].data == b"x"
            await runner.run(work("echo", b"x", "mesh"))
            assert not any(one.done() for one in waiting) and lane(runner, "mask").running == 0
        assert pids(runner, "remote").isdisjoint(pids(runner, "mask"))

    play(scene, **KEY)


def test_the_remote_lane_queues_and_refuses_on_its_own(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        async with held(runner, tmp_path / "gate", 1):
            queued = asyncio.ensure_future(runner.run(remote("echo")))
            await until(lambda: lane(runner).waiting == 1)
            with pytest.raises(OverloadedError):
                await runner.run(remote("echo"))
            assert lane(runner).refused == 1 and lane(runner, "mask").refused == 0
            assert (await runner.run(work("echo", b"x"))).files[0].data == b"x"
        await queued

    play(scene, remote_workers=1, max_waiting=1, **KEY)


def test_an_upload_is_refused_early_only_where_both_lanes_of_masks_would_refuse_it(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        local = asyncio.ensure_future(runner.run(work(f"held:{tmp_path / 'gate'}")))
        await until(lambda: lane(runner, "mask").running == 1)
        runner.admit("mask", "")
        async with held(runner, tmp_path / "gate", 1):
            with pytest.raises(OverloadedError):
                runner.admit("mask", "")
        await local

    play(scene, remote_workers=1, max_waiting=0, **KEY)


def test_a_deadline_ends_one_remote_worker_and_no_other_work(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        await until(lambda: runner.status().ready)
        masks = pids(runner, "mask")
        with pytest.raises(TimedOutError):
            await runner.run(remote("hang"))
        await until(lambda: sum(row.kills for row in runner.status().workers) == 1)
        assert [row.kills for row in runner.status().workers if row.lane != "remote"] == [0, 0]
        assert pids(runner, "mask") == masks
        await runner.run(remote("echo"))

    play(scene, mask_deadline_s=0.5, **KEY)


def test_who_leaves_frees_the_place_at_the_service(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        leaving = asyncio.ensure_future(runner.run(remote("stages:600", "one")))
        await until(lambda: lane(runner).running == 1)
        queued = asyncio.ensure_future(runner.run(remote("echo", "two")))
        leaving.cancel()
        await queued
        await until(lambda: lane(runner).running == 0)

    play(scene, remote_workers=1, **KEY)


def test_remote_workers_take_one_piece_of_work_each_whatever_the_batch() -> None:
    """Work beside a worker's killed one begins again, and its picture would be sent and paid for twice."""

    async def scene(runner: ProcessRunner) -> None:
        await until(lambda: runner.status().ready)
        assert (lane(runner).capacity, lane(runner, "mask").capacity) == (3, 4)

    play(scene, remote_workers=3, batch_size=4, **KEY)


def test_without_a_key_there_is_no_remote_lane_and_the_kinds_own_takes_the_work() -> None:
    async def scene(runner: ProcessRunner) -> None:
        assert [row.lane for row in runner.status().lanes] == ["mask", "mesh"]
        done = await runner.run(remote("where:0"))
        assert done.report["pid"] in pids(runner, "mask")

    play(scene)


def test_a_mesh_of_a_remote_mask_stays_in_the_lane_that_has_its_engines() -> None:
    async def scene(runner: ProcessRunner) -> None:
        mesh = Work("generate-mesh", {"file": b""}, MeshOptions(model="removebg"), name="where:0")
        assert (await runner.run(mesh)).report["pid"] in pids(runner, "mesh")

    play(scene, **KEY)


def test_metrics_show_the_remote_lane() -> None:
    async def scene(runner: ProcessRunner) -> None:
        await until(lambda: runner.status().ready and not pids(runner, "remote") & {None})
        await runner.run(remote("echo"))
        await until(lambda: {row.state for row in runner.status().workers} == {"idle"})
        shown = exposition(Snapshot("1", runner.status(), True, 0, 0)).decode().splitlines()
        assert 'mattemesh_queue_wait_seconds_count{lane="remote"} 1.0' in shown
        assert 'mattemesh_worker_state{state="idle",worker="remote-1"} 1.0' in shown

    play(scene, remote_workers=2, **KEY)
