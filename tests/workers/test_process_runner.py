"""Worker processes: what they survive, and what the next piece of work never notices."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.contract.errors import (
    MattemeshError,
    NoSubjectError,
    OutOfMemoryError,
    OverloadedError,
    TimedOutError,
    WorkerLostError,
)
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.runner import LaneStatus, WorkerStatus
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.spool import INLINE_BYTES, SpooledFile
from backend.contract.work import Done, File, Work
from backend.workers import process
from backend.workers.messages import WorkerFaultError
from backend.workers.process import Load
from backend.workers.process_runner import ProcessRunner
from backend.workers.restarts import RestartPolicy
from tests.helpers import doers, waiting
from tests.helpers.waiting import PATIENCE_S

PATIENT = RestartPolicy(crashes=100)
EXTRA = {
    "mask": {"kind": "remove-bg", "options": MaskOptions()},
    "mesh": {"kind": "generate-mesh", "options": MeshOptions()},
}


def work(name: str, data: bytes = b"", lane: str = "mask") -> Work:
    return Work(files={"file": data}, name=name, **EXTRA[lane])  # type: ignore[arg-type]


def play(
    scene: Callable[[ProcessRunner], Awaitable[Any]],
    load: Load = doers.load,
    policy: RestartPolicy = PATIENT,
    drive: Load | None = None,
    **settings: Any,
) -> Any:
    """Run `scene` on a runner of its own, and see to it that no process is left."""

    async def whole() -> Any:
        runner = ProcessRunner(Settings(**settings), load, policy, drive=drive)
        runner.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await scene(runner)
        finally:
            runner.close()
            await until(lambda: set(psutil.Process().children(recursive=True)) <= before)

    before = set(psutil.Process().children(recursive=True))
    return asyncio.run(whole())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


def masks(runner: ProcessRunner) -> LaneStatus:
    return next(lane for lane in runner.status().lanes if lane.lane == "mask")


def worker(runner: ProcessRunner) -> WorkerStatus:
    (row,) = [row for row in runner.status().workers if row.lane == "mask"]
    return row


def pid_of(runner: ProcessRunner, lane: str = "mask") -> int:
    (pid,) = [row.pid for row in runner.status().workers if row.lane == lane]
    assert pid is not None
    return pid


def test_work_goes_there_and_back_with_its_stages_and_in_a_light_process() -> None:
    data = os.urandom(3_000_000)

    async def scene(runner: ProcessRunner) -> tuple[Done, list[str]]:
        heard: list[str] = []
        return await runner.run(work("echo", data), heard.append), heard

    done, heard = play(scene)
    assert done.files[0].data == data
    assert heard == ["start", "echo", "second"]
    assert done.report["pid"] != os.getpid()
    assert not {"numpy", "cv2", "torch", "onnxruntime", "fastapi"} & set(done.report["modules"])


def test_a_large_result_comes_on_disk_and_a_small_one_in_memory() -> None:
    async def scene(runner: ProcessRunner) -> None:
        small, large = [await runner.run(work("echo", bytes(size))) for size in (INLINE_BYTES, INLINE_BYTES + 1)]
        assert isinstance(small.files[0], File)
        assert isinstance(large.files[0], SpooledFile) and large.files[0].size == INLINE_BYTES + 1
        assert not [path for path in (Settings().data_dir / "spool").rglob("*") if path.is_file()]

    play(scene)
    assert not list((Settings().data_dir / "spool").iterdir())


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "Mask.png", ".hidden", "a" * 65, ""])
def test_a_result_with_a_name_that_no_result_has_ends_its_worker(name: str) -> None:
    async def scene(runner: ProcessRunner) -> None:
        with pytest.raises(WorkerLostError):
            await runner.run(work(f"named:{name}", b"x"))
        assert (await runner.run(work("echo", b"x"))).files[0].data == b"x"

    play(scene)


def test_errors_come_back_as_they_are_and_bugs_with_the_trace_of_the_worker() -> None:
    async def scene(runner: ProcessRunner) -> None:
        with pytest.raises(NoSubjectError) as refused:
            await runner.run(work("refuse"))
        assert refused.value.numbers == {"actual": 0}
        with pytest.raises(OutOfMemoryError):
            await runner.run(work("exhaust"))
        with pytest.raises(WorkerFaultError, match=r"(?s)doers\.py.*ZeroDivisionError"):
            await runner.run(work("fail"))
        assert [row.starts for row in runner.status().workers if row.lane == "mask"] == [1]

    play(scene)


@pytest.mark.parametrize("end", ["abort", "kill", "leave", "smuggle"])
def test_the_work_of_a_lost_worker_fails_and_the_next_is_done(end: str) -> None:
    async def scene(runner: ProcessRunner) -> None:
        first = pid_of_after(await runner.run(work("echo")))
        with pytest.raises(WorkerLostError):
            await runner.run(work(end))
        assert pid_of_after(await runner.run(work("echo"))) != first
        (row,) = [row for row in runner.status().workers if row.lane == "mask"]
        assert (row.starts, row.crashes, row.kills) == (2, 1, 0)
        await until(lambda: runner.status().ready)

    play(scene)


def pid_of_after(done: Done) -> int:
    return int(done.report["pid"])


def test_a_worker_that_is_killed_while_idle_is_replaced() -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        os.kill(pid_of(runner), signal.SIGKILL)
        await until(lambda: worker(runner).crashes == 1)
        assert (await runner.run(work("echo"))).report

    play(scene)


@pytest.mark.parametrize("stubborn", ["hang", "stages:600"])
def test_work_past_its_deadline_is_refused_and_really_stops(stubborn: str) -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        with pytest.raises(TimedOutError):
            await runner.run(work(stubborn))
        await runner.run(work("echo"))
        assert (worker(runner).crashes, worker(runner).kills) == (0, int(stubborn == "hang"))

    play(scene, mask_deadline_s=0.8)


def test_abandoned_work_frees_its_place_and_stops_without_a_kill_where_it_can() -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        before = pid_of(runner)
        stages: list[str] = []
        task = asyncio.ensure_future(runner.run(work("stages:600"), stages.append))
        await until(lambda: "step" in stages)
        task.cancel()
        await asyncio.sleep(0)
        await runner.run(work("echo"))
        assert pid_of(runner) == before
        heard = len(stages)
        await asyncio.sleep(0.1)
        assert len(stages) == heard  # a client that left hears nothing more

    play(scene, max_waiting=0)


def test_a_free_slot_is_used_again_even_without_a_queue() -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        task = asyncio.ensure_future(runner.run(work("hang")))
        await until(lambda: masks(runner).running == 1)
        with pytest.raises(OverloadedError):
            await runner.run(work("echo"))
        task.cancel()
        await asyncio.sleep(0)
        assert (await runner.run(work("echo"))).report

    play(scene, max_waiting=0)


def test_waiting_work_whose_waiter_leaves_is_dropped_and_never_runs(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        heard: list[str] = []
        first = asyncio.ensure_future(runner.run(work(f"held:{tmp_path / 'free'}")))
        await until(lambda: masks(runner).running == 1)
        second = asyncio.ensure_future(runner.run(work("echo"), heard.append))
        await until(lambda: masks(runner).waiting == 1)
        second.cancel()
        await asyncio.sleep(0)
        assert masks(runner).waiting == 0
        (tmp_path / "free").touch()
        await first
        await runner.run(work("echo"))
        assert heard == []

    play(scene)


def test_three_crashes_rest_the_worker_and_refuse_meanwhile() -> None:
    async def scene(runner: ProcessRunner) -> None:
        for _ in range(3):
            with pytest.raises(WorkerLostError):
                await runner.run(work("abort"))
        await until(lambda: not runner.status().ready)
        assert "crashed 3 times" in runner.status().why
        with pytest.raises(OverloadedError) as refused:
            await runner.run(work("echo"))
        assert refused.value.retry_after_s is not None
        assert 500 < refused.value.retry_after_s <= 600
        await runner.run(work("echo", lane="mesh"))  # the other lane goes on

    play(scene, policy=RestartPolicy(first_rest_s=600, longest_rest_s=600))


def test_a_worker_that_has_rested_works_again() -> None:
    async def scene(runner: ProcessRunner) -> None:
        for _ in range(3):
            with pytest.raises(WorkerLostError):
                await runner.run(work("abort"))
        await until(lambda: worker(runner).starts == 4 and runner.status().ready)
        assert (await runner.run(work("echo"))).report

    play(scene, policy=RestartPolicy(first_rest_s=0.05))


def test_a_worker_that_dies_over_its_networks_comes_up_without_them() -> None:
    async def scene(runner: ProcessRunner) -> None:
        await until(lambda: runner.status().ready)
        assert {row.why for row in runner.status().workers} == {"networks skipped"}
        assert (await runner.run(work("echo"))).report

    play(scene, doers.load_no_network)


def test_a_worker_that_never_comes_up_does_not_spin() -> None:
    async def scene(runner: ProcessRunner) -> None:
        waiting = asyncio.ensure_future(runner.run(work("echo")))
        with pytest.raises(OverloadedError):
            await waiting
        starts = sum(row.starts for row in runner.status().workers)
        await asyncio.sleep(0.5)
        assert sum(row.starts for row in runner.status().workers) <= starts + 2
        assert not runner.status().ready

    play(scene, doers.load_never, RestartPolicy())


def test_it_is_ready_when_every_lane_is_warm_and_not_while_it_stops() -> None:
    async def scene(runner: ProcessRunner) -> None:
        assert not runner.status().ready
        assert "loading its engines" in runner.status().why
        await until(lambda: runner.status().ready)
        for row in runner.status().workers:
            assert row.loaded == {"net": "cpu"}
            assert row.start_s and row.memory_bytes
        runner.close()
        assert not runner.status().ready
        with pytest.raises(OverloadedError, match="stopping"):
            await runner.run(work("echo"))

    play(scene, doers.load_slowly)


def test_closing_waits_for_no_work_and_ends_all_of_it() -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        tasks = [asyncio.ensure_future(runner.run(work("hang"))) for _ in range(2)]
        await until(lambda: (masks(runner).running, masks(runner).waiting) == (1, 1))
        runner.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in outcomes] == [WorkerLostError, OverloadedError]

    play(scene)


def test_a_worker_that_talks_nonsense_is_replaced() -> None:
    async def scene(runner: ProcessRunner) -> None:
        with pytest.raises(WorkerLostError):
            await runner.run(work("babble"))
        await runner.run(work("echo"))

    play(scene)


def test_a_worker_lets_the_service_go_first() -> None:
    async def scene(runner: ProcessRunner) -> None:
        pid = (await runner.run(work("echo"))).report["pid"]
        assert psutil.Process(pid).nice() > psutil.Process().nice()

    play(scene)


def test_an_interrupt_or_a_term_to_the_whole_group_leaves_workers_to_their_parent(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        first = (await runner.run(work("echo"))).report["pid"]
        stages: list[str] = []
        running = asyncio.ensure_future(runner.run(work(f"held:{tmp_path / 'free'}"), stages.append))
        await until(lambda: "held" in stages)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid_of(runner), number)
        (tmp_path / "free").touch()
        assert (await running).report["pid"] == first

    play(scene)


def test_a_workers_log_lines_reach_the_services_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("mattemesh").propagate = True
    with caplog.at_level(logging.INFO, "mattemesh"):
        play(lambda runner: runner.run(work("say")))
    assert "mask worker 0: a line from the work" in caplog.text


def test_the_key_stays_in_the_service_and_each_worker_sees_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")

    async def scene(runner: ProcessRunner) -> None:
        assert (await runner.run(work("environment:API_KEY"))).report["value"] is None
        tasks = [asyncio.ensure_future(runner.run(work("environment:CUDA_VISIBLE_DEVICES"))) for _ in range(2)]
        await until(lambda: runner.status().ready)
        pair = [runner.run(work("where:0.3")), runner.run(work("environment:CUDA_VISIBLE_DEVICES"))]
        values = {done.report.get("value") for done in await asyncio.gather(*tasks, *pair)}
        assert values <= {"2", "5", None} and values & {"2", "5"}

    play(scene, mask_workers=2, cuda_devices="2,5")


def test_a_stage_without_a_name_is_not_heard() -> None:
    async def scene(runner: ProcessRunner) -> list[str]:
        heard: list[str] = []
        await runner.run(work("ask"), heard.append)
        return heard

    assert play(scene) == ["start", "ask"]


def test_the_places_of_a_cluster_come_and_go_with_its_replicas(tmp_path: Path) -> None:
    places = tmp_path / "places"
    places.write_text("2")

    async def scene(runner: ProcessRunner) -> None:
        await until(lambda: runner.status().ready)
        assert masks(runner).capacity == 2
        assert [row.node for row in runner.status().workers if row.lane == "mask"] == ["", "10.0.0.2", "10.0.0.2"]
        assert [node.name for node in runner.status().nodes] == ["10.0.0.2"]
        running = [asyncio.ensure_future(runner.run(work("stages:600"))) for _ in range(4)]
        await until(lambda: (masks(runner).running, masks(runner).waiting) == (2, 2))
        places.write_text("3")
        await until(lambda: (masks(runner).running, masks(runner).waiting) == (3, 1))
        for task in running:
            task.cancel()
        places.write_text("0")
        await until(lambda: not runner.status().ready)
        assert runner.status().why == "No replica."
        assert masks(runner).capacity == 0

    play(scene, drive=doers.load_counted, data_dir=tmp_path)


def test_no_work_waits_for_a_cluster_that_is_away(tmp_path: Path) -> None:
    places = tmp_path / "places"
    places.write_text("1")

    async def scene(runner: ProcessRunner) -> None:
        await until(lambda: runner.status().ready)
        running, waiting = [asyncio.ensure_future(runner.run(work("stages:600"))) for _ in range(2)]
        await until(lambda: (masks(runner).running, masks(runner).waiting) == (1, 1))
        places.write_text("away")
        with pytest.raises(OverloadedError, match="cluster cannot be used") as refused:
            await waiting
        assert refused.value.retry_after_s == 5
        with pytest.raises(OverloadedError, match="cluster cannot be used"):
            runner.admit("mask", "")
        assert runner.status().why == "No cluster."
        running.cancel()
        places.write_text("1")
        await until(lambda: runner.status().ready)
        await runner.run(work("ask"))

    play(scene, drive=doers.load_counted, data_dir=tmp_path)


def test_work_that_was_passed_on_is_taken_back_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "places").write_text("1")

    async def scene(runner: ProcessRunner) -> None:
        heard: list[str] = []
        running = asyncio.ensure_future(runner.run(work(f"told:{tmp_path / 'left'}"), heard.append))
        await until(lambda: "told" in heard)
        runner.close()
        assert (tmp_path / "left").exists()
        with pytest.raises(WorkerLostError):
            await running

    play(scene, drive=doers.load_counted, data_dir=tmp_path)


# A service that is killed (-9) as soon as its work has begun in a process that passes it on.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Work
from backend.workers.process_runner import ProcessRunner
from tests.helpers import doers

async def main():
    folder = Path(sys.argv[1])
    runner = ProcessRunner(Settings(data_dir=folder), drive=doers.load_counted)
    runner.start()
    work = Work("remove-bg", {"file": b""}, MaskOptions(), name=f"told:{folder / 'left'}")
    await runner.run(work, lambda stage: stage == "told" and os.kill(os.getpid(), signal.SIGKILL))

asyncio.run(main())
"""


def test_work_that_was_passed_on_is_taken_back_when_the_service_is_killed(tmp_path: Path) -> None:
    (tmp_path / "places").write_text("1")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=REPOSITORY, timeout=PATIENCE_S)
    assert ended.returncode == -signal.SIGKILL
    waiting.until(lambda: (tmp_path / "left").exists())


def test_the_token_of_a_cluster_is_known_to_its_driver_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    (tmp_path / "places").write_text("1")

    async def scene(runner: ProcessRunner) -> object:
        return (await runner.run(work("environment:RAY_AUTH_TOKEN"))).report["value"]

    assert play(scene) is None
    assert play(scene, drive=doers.load_counted, data_dir=tmp_path) == "secret"


@pytest.mark.parametrize("gap_s", [0.0, 600.0])
def test_a_restart_that_takes_long_is_no_short_gap(gap_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GAP_S", gap_s)

    async def scene(runner: ProcessRunner) -> bool:
        await until(lambda: runner.status().ready)
        os.kill(worker(runner).pid or 0, signal.SIGKILL)
        await until(lambda: worker(runner).state == "starting")
        ready = runner.status().ready
        await until(lambda: worker(runner).state == "idle" and runner.status().ready)
        return ready

    assert play(scene, doers.load_slowly) is (gap_s > 0)


def test_work_that_shares_a_worker_with_what_kills_it_runs_again(tmp_path: Path) -> None:
    async def scene(runner: ProcessRunner) -> None:
        await runner.run(work("echo"))
        hanging = asyncio.ensure_future(runner.run(work("where:600")))
        neighbour = asyncio.ensure_future(runner.run(work(f"first:{tmp_path / 'begun'}")))
        await until((tmp_path / "begun").exists)
        hanging.cancel()
        with suppress(asyncio.CancelledError):
            await hanging
        await neighbour
        assert [row.kills for row in runner.status().workers if row.lane == "mask"] == [1]

    play(scene, batch_size=2)


def test_every_storm_of_bad_work_leaves_a_runner_that_works() -> None:
    async def scene(runner: ProcessRunner) -> None:
        names = ["abort", "refuse", "hang", "echo", "fail", "where:0.1", "kill", "echo"]
        tasks = [asyncio.ensure_future(runner.run(work(name))) for name in names]
        tasks[5].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcomes[i], Done) for i in (3, 7)), outcomes
        assert all(isinstance(outcomes[i], MattemeshError | WorkerFaultError) for i in (0, 1, 2, 4, 6))
        assert (await runner.run(work("echo"))).report

    play(scene, mask_deadline_s=1.5)
