"""Jobs from their hand-in to their end, over a runner that does what a test says."""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backend.contract.errors import (
    IdempotencyConflictError,
    InvalidParameterError,
    ModelUnavailableError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    TimedOutError,
    WorkerLostError,
)
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.work import Done, OnStage, Work
from backend.jobs import dispatcher, service
from backend.jobs.database import DataFolderError
from backend.jobs.folders import JobFolders
from backend.jobs.records import Job
from backend.jobs.service import Jobs
from backend.jobs.store import ROW_BYTES, AsyncJobStore
from tests.helpers.postgres import PostgresServer
from tests.helpers.scripted_runner import ScriptedRunner, done, endless, two_stages

pytestmark = pytest.mark.anyio
PHOTO = {"file": b"a photo"}
wherever = pytest.mark.usefixtures("home")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "RETRY_S", 0.02)
    monkeypatch.setattr(dispatcher, "CAPACITY_S", 0.02)
    monkeypatch.setattr(service, "REOPEN_S", 0.02)
    monkeypatch.setattr(service, "CLEAN_UP_S", 0.05)


@pytest.fixture(params=["here", "shared"])
def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where the jobs of a test are kept: in its folder; or in a PostgreSQL, and their files where they were, too."""
    if request.param == "shared":
        server: PostgresServer = request.getfixturevalue("postgres")
        monkeypatch.setenv("JOBS_URL", server.url)
        monkeypatch.setenv("FILES_URL", str(tmp_path / "jobs"))
    return str(request.param)


@asynccontextmanager
async def opened(folder: Path, runner: ScriptedRunner, **settings: Any) -> AsyncIterator[Jobs]:
    jobs = Jobs(Settings(data_dir=folder, **settings), runner)  # type: ignore[arg-type]
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop(0.0)


async def hand_in(jobs: Jobs, kind: str = "remove-bg", **more: Any) -> Job:
    options = MaskOptions() if kind == "remove-bg" else MeshOptions()
    return (await jobs.submit(kind, PHOTO, options, **more))[0]


async def until(job: Callable[[], Awaitable[Job]], *states: str) -> Job:
    async with asyncio.timeout(30):
        while (found := await job()).state not in states:
            await asyncio.sleep(0.005)
    return found


async def ended(jobs: Jobs, job: Job) -> Job:
    return await until(lambda: jobs.get(job.id), "succeeded", "failed", "cancelled")


async def running(jobs: Jobs, job: Job) -> Job:
    return await until(lambda: jobs.get(job.id), "running")


def files(folder: Path) -> set[str]:
    """Return the names of the files of jobs; folders may go meanwhile."""
    places = [str(folder / "jobs" / place) for place in ("inputs", "results", "partial")]
    return {name for place in places for _, _, names in os.walk(place) for name in names}


async def is_open(jobs: Jobs) -> bool:
    try:
        await jobs.counts()
    except StorageFullError:
        return False
    return True


def a_week_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time() + 7 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: now)


async def no_inputs(folder: Path) -> None:
    """Return when no photo is left."""
    async with asyncio.timeout(30):
        while inputs(folder):
            await asyncio.sleep(0.01)


def inputs(folder: Path) -> list[Path]:
    return list((folder / "jobs" / "inputs").iterdir())


@wherever
async def test_a_job_runs_and_keeps_its_files_and_no_photo(tmp_path: Path) -> None:
    runner = ScriptedRunner()
    async with opened(tmp_path, runner) as jobs:
        job, is_new = await jobs.submit("remove-bg", PHOTO, MaskOptions(crop=True))
        assert is_new and job.state == "queued"
        found = await ended(jobs, job)
        assert found.state == "succeeded" and found.attempts == 1
        assert [file.name for file in found.outcome.files] == ["mask.png"]
        assert jobs.result(found, found.outcome.files[0]).read_bytes() == done().files[0].data
        await no_inputs(tmp_path)
    (work,) = runner.asked
    assert work.client == "jobs"
    assert (work.kind, work.form, work.name, dict(work.files)) == ("remove-bg", "job", job.id, PHOTO)
    assert work.options == MaskOptions(crop=True) and work.options.model_fields_set == {"crop"}


@wherever
async def test_a_local_job_does_not_wait_for_one_at_a_remote_service(tmp_path: Path) -> None:
    async def slow_service(work: Work, on_stage: OnStage) -> Done:
        return await (endless if work.options == MaskOptions(model="bria") else two_stages)(work, on_stage)

    runner = ScriptedRunner(slow_service)
    runner.capacity["remote"] = 1
    async with opened(tmp_path, runner) as jobs:
        remote, queued = [(await jobs.submit("remove-bg", PHOTO, MaskOptions(model="bria")))[0] for _ in range(2)]
        await running(jobs, remote)
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
        assert [(await jobs.get(job.id)).state for job in (remote, queued)] == ["running", "queued"]
        await jobs.remove(remote.id)
        await running(jobs, queued)


@wherever
async def test_a_job_at_a_service_without_a_key_is_run_to_its_refusal(tmp_path: Path) -> None:
    """Its key was removed between two starts, so the runner has no lane for it."""

    async def refuse(work: Work, on_stage: OnStage) -> Done:
        raise ModelUnavailableError("Bria needs your key.", model="bria")

    async with opened(tmp_path, ScriptedRunner(refuse)) as jobs:
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions(model="bria"))
        found = await ended(jobs, job)
        assert (found.state, found.outcome.problem["code"]) == ("failed", "model-unavailable")


@wherever
async def test_a_mask_does_not_wait_for_a_mesh(tmp_path: Path) -> None:
    async def slow_mesh(work: Work, on_stage: OnStage) -> Done:
        return await (endless if work.kind == "generate-mesh" else two_stages)(work, on_stage)

    async with opened(tmp_path, ScriptedRunner(slow_mesh)) as jobs:
        mesh = await hand_in(jobs, "generate-mesh")
        await running(jobs, mesh)
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
        assert (await jobs.get(mesh.id)).state == "running"


@wherever
async def test_jobs_run_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    runner = ScriptedRunner()
    async with opened(tmp_path, runner) as jobs:
        made = [await hand_in(jobs) for _ in range(6)]
        for job in made:
            await ended(jobs, job)
    assert [work.name for work in runner.asked] == [job.id for job in made]


@wherever
@pytest.mark.parametrize("busy", [OverloadedError("full"), TimedOutError("no place"), WorkerLostError("all rest")])
async def test_a_runner_without_a_place_means_waiting_and_costs_no_attempt(tmp_path: Path, busy: Exception) -> None:
    runner = ScriptedRunner()

    async def at_last(work: Work, on_stage: OnStage) -> Done:
        if len(runner.asked) < 5:
            raise busy
        return await two_stages(work, on_stage)

    runner.script = at_last
    async with opened(tmp_path, runner) as jobs:
        found = await ended(jobs, await hand_in(jobs))
        assert (found.state, found.attempts) == ("succeeded", 1)


@wherever
@pytest.mark.parametrize(("losses", "state"), [(1, "succeeded"), (2, "failed")])
async def test_a_lost_worker_means_one_more_try_and_no_more(tmp_path: Path, losses: int, state: str) -> None:
    runner = ScriptedRunner()

    async def crashing(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        await asyncio.sleep(0)
        if len(runner.asked) <= losses:
            raise WorkerLostError("The worker ended.")
        return done()

    runner.script = crashing
    async with opened(tmp_path, runner) as jobs:
        found = await ended(jobs, await hand_in(jobs))
        assert (found.state, found.attempts, len(runner.asked)) == (state, 2, 2)
        if state == "failed":
            assert found.outcome.problem is not None and found.outcome.problem["code"] == "worker-lost"


@wherever
async def test_a_deadline_and_a_problem_end_a_job_at_once(tmp_path: Path) -> None:
    faults = [TimedOutError("too long", limit=30.0), InvalidParameterError("no", parameter="model")]
    runner = ScriptedRunner()

    async def failing(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        raise faults[len(runner.asked) - 1]

    runner.script = failing
    async with opened(tmp_path, runner) as jobs:
        late, wrong = [await ended(jobs, await hand_in(jobs)) for _ in range(2)]
        assert late.outcome.problem is not None and wrong.outcome.problem is not None
        assert (late.outcome.problem["code"], late.outcome.problem["limit"]) == ("timed-out", 30.0)
        assert (wrong.outcome.problem["status"], wrong.outcome.problem["parameter"]) == (422, "model")
        assert wrong.outcome.problem["instance"].endswith(wrong.id)
        await no_inputs(tmp_path)


@wherever
async def test_a_bug_fails_its_job_alone_and_tells_no_secret(tmp_path: Path) -> None:
    runner = ScriptedRunner()

    async def buggy(work: Work, on_stage: OnStage) -> Done:
        raise KeyError("/home/secret")

    runner.script = buggy
    async with opened(tmp_path, runner) as jobs:
        found = await ended(jobs, await hand_in(jobs))
        assert found.outcome.problem is not None and found.outcome.problem["code"] == "internal"
        assert "secret" not in str(found.outcome.problem)
        runner.script = two_stages
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"


@wherever
async def test_a_fault_of_the_disk_fails_one_job_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(JobFolders, "keep_results", no_answer)
            found = await ended(jobs, await hand_in(jobs))
            assert found.outcome.problem is not None and found.outcome.problem["code"] == "internal"
            patch.setattr(JobFolders, "inputs", no_answer)
            assert (await ended(jobs, await hand_in(jobs))).state == "failed"
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
        await no_inputs(tmp_path)


async def test_a_fault_of_the_store_costs_no_lane_and_no_tidying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(AsyncJobStore, "claim", broken_store)
            patch.setattr(AsyncJobStore, "to_remove", broken_store)
            job = await hand_in(jobs)
            await asyncio.sleep(0.1)
        assert (await ended(jobs, job)).state == "succeeded"
        a_week_later(monkeypatch)
        async with asyncio.timeout(30):
            while files(tmp_path):
                await asyncio.sleep(0.01)


class Gate:
    """Work that runs until a test lets it go, and what of it runs."""

    def __init__(self) -> None:
        self.inside: dict[str, asyncio.Event] = {}

    async def __call__(self, work: Work, on_stage: OnStage) -> Done:
        assert work.name not in self.inside
        on_stage("start")
        self.inside[work.name] = asyncio.Event()
        await self.inside[work.name].wait()
        del self.inside[work.name]
        return done()

    async def until_inside(self, *made: Job) -> None:
        """Return when these jobs run and no other."""
        async with asyncio.timeout(30):
            while set(self.inside) != {job.id for job in made}:
                await asyncio.sleep(0.005)

    def let_go(self, *made: Job) -> None:
        for job in made:
            self.inside[job.id].set()


@wherever
async def test_a_lane_that_grows_while_it_is_full_takes_more_jobs_at_once(tmp_path: Path) -> None:
    gate = Gate()
    runner = ScriptedRunner(gate)
    async with opened(tmp_path, runner) as jobs:
        made = [await hand_in(jobs) for _ in range(4)]
        await gate.until_inside(made[0])
        runner.capacity["mask"] = 3
        await gate.until_inside(*made[:3])
        gate.let_go(*made[:3])
        await gate.until_inside(made[3])
        gate.let_go(made[3])
        assert {(await ended(jobs, job)).state for job in made} == {"succeeded"}
    assert sorted(work.name for work in runner.asked) == [job.id for job in made]


@wherever
async def test_a_lane_that_shrinks_ends_what_runs_and_then_takes_fewer_jobs(tmp_path: Path) -> None:
    gate = Gate()
    runner = ScriptedRunner(gate, capacity=3)
    async with opened(tmp_path, runner) as jobs:
        made = [await hand_in(jobs) for _ in range(6)]
        await gate.until_inside(*made[:3])
        runner.capacity["mask"] = 1
        gate.let_go(made[0])
        await ended(jobs, made[0])
        gate.let_go(made[1])
        await ended(jobs, made[1])
        await gate.until_inside(made[2])  # two ended and none followed
        for running_now, following in pairwise([*made[2:], None]):
            gate.let_go(running_now)
            await gate.until_inside(*([] if following is None else [following]))
        found = [await ended(jobs, job) for job in made]
    assert {(job.state, job.attempts) for job in found} == {("succeeded", 1)}
    assert sorted(work.name for work in runner.asked) == [job.id for job in made]


@wherever
async def test_jobs_wait_while_a_lane_has_no_worker_at_all(tmp_path: Path) -> None:
    runner = ScriptedRunner(capacity=0)
    async with opened(tmp_path, runner) as jobs:
        made = [await hand_in(jobs) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert runner.asked == []
        runner.capacity["mask"] = 2
        assert {(await ended(jobs, job)).state for job in made} == {"succeeded"}
    assert sorted(work.name for work in runner.asked) == [job.id for job in made]


@wherever
async def test_a_job_that_waits_for_room_is_in_hand_once(tmp_path: Path) -> None:
    runner = ScriptedRunner(capacity=4)
    inside: set[str] = set()

    async def crowded(work: Work, on_stage: OnStage) -> Done:
        assert work.name not in inside
        inside.add(work.name)
        try:
            await asyncio.sleep(0.005)
            if len(runner.asked) < 40:
                raise OverloadedError("full")
            return await two_stages(work, on_stage)
        finally:
            inside.remove(work.name)

    runner.script = crowded
    async with opened(tmp_path, runner) as jobs:
        made = [await hand_in(jobs) for _ in range(8)]
        found = [await ended(jobs, job) for job in made]
    assert {(job.state, job.attempts) for job in found} == {("succeeded", 1)}


@wherever
async def test_a_photo_that_goes_while_it_is_read_was_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", gone)
            found = await ended(jobs, await hand_in(jobs))
            assert found.outcome.problem is not None and found.outcome.problem["code"] == "worker-lost"
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"


@wherever
async def test_cancelling_stops_the_work_and_leaves_a_cancelled_job(tmp_path: Path) -> None:
    stopped = asyncio.Event()

    async def noticing(work: Work, on_stage: OnStage) -> Done:
        try:
            return await endless(work, on_stage)
        finally:
            stopped.set()

    async with opened(tmp_path, ScriptedRunner(noticing)) as jobs:
        first, second = await hand_in(jobs), await hand_in(jobs)
        await running(jobs, first)
        await jobs.remove(second.id)
        await jobs.remove(first.id)
        async with asyncio.timeout(30):
            await stopped.wait()
        for job in (first, second):
            assert (await jobs.get(job.id)).state == "cancelled"
        await no_inputs(tmp_path)
        await jobs.remove(first.id)
        with pytest.raises(NotFoundError):
            await jobs.get(first.id)


@wherever
async def test_cancelling_at_any_moment_ends_in_a_final_state_with_no_leftover(tmp_path: Path) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        for pause in range(12):
            job = await hand_in(jobs)
            await asyncio.sleep(pause * 0.0005)
            await jobs.remove(job.id)
        await asyncio.sleep(0.1)
        for job in await jobs.page(100, None):
            assert job.state == "cancelled"
        counts = await jobs.counts()
        assert counts.states["queued"] == counts.states["running"] == 0
    assert inputs(tmp_path) == [] and files(tmp_path) == set()


@wherever
async def test_a_stop_puts_running_work_back_and_the_next_start_runs_it_as_if_for_the_first_time(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, ScriptedRunner(endless)) as jobs:
        first, second = await hand_in(jobs), await hand_in(jobs)
        await running(jobs, first)
    for _ in range(3):  # a stop is no attempt, however often
        async with opened(tmp_path, ScriptedRunner(endless)) as jobs:
            await running(jobs, first)
    runner = ScriptedRunner()
    async with opened(tmp_path, runner) as jobs:
        for job in (first, second):
            found = await ended(jobs, job)
            assert (found.state, found.attempts) == ("succeeded", 1)
    assert [work.name for work in runner.asked] == [first.id, second.id]


@wherever
async def test_a_stop_lets_running_work_end_when_it_does_so_in_time(tmp_path: Path) -> None:
    async def brief(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        await asyncio.sleep(0.1)
        return done()

    jobs = Jobs(Settings(data_dir=tmp_path), ScriptedRunner(brief))  # type: ignore[arg-type]
    await jobs.start()
    first, second = await hand_in(jobs), await hand_in(jobs)
    await running(jobs, first)
    await jobs.stop(30.0)
    async with opened(tmp_path, ScriptedRunner(endless)) as jobs:
        assert (await jobs.get(first.id)).state == "succeeded"
        assert (await jobs.get(second.id)).state in ("queued", "running")


@wherever
async def test_every_listener_hears_everything_in_order_whenever_it_comes(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def waiting(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        on_stage("decode")
        await go_on.wait()
        on_stage("segment")
        return done()

    async def heard(after: int = 0) -> list[tuple[int, str, object]]:
        return [
            (event.number, event.event, event.data.get("state") or event.data.get("name"))
            async for event in jobs.listen(job.id, after)
        ]

    async with opened(tmp_path, ScriptedRunner(waiting)) as jobs:
        job = await hand_in(jobs)
        listening = [asyncio.create_task(heard()) for _ in range(100)]
        leaving = asyncio.create_task(heard())
        await running(jobs, job)
        await asyncio.sleep(0.02)
        leaving.cancel()
        resumed = asyncio.create_task(heard(3))
        go_on.set()
        async with asyncio.timeout(30):
            stories = await asyncio.gather(*listening)
            everything = await heard()
            assert await resumed == everything[3:]
    assert [name for _, _, name in everything] == ["queued", "running", "decode", "segment", "succeeded", None]
    assert [number for number, _, _ in everything] == [1, 2, 3, 4, 5, 6]
    assert all(story == everything for story in stories)
    async with opened(tmp_path, ScriptedRunner()) as jobs:  # after a restart too
        assert await heard() == everything
        assert await heard(6) == []


@wherever
async def test_the_second_job_of_a_sort_knows_how_far_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        await ended(jobs, await hand_in(jobs))
        job = await hand_in(jobs)
        await ended(jobs, job)
        stages = [event.data async for event in jobs.listen(job.id, 0) if event.event == "stage"]
        assert [stage["fraction"] for stage in stages] == pytest.approx([0.0, 0.25], abs=0.01)
        assert all(stage["seconds_left"] is not None for stage in stages)


@wherever
async def test_a_key_makes_a_retry_safe_even_at_the_same_moment(tmp_path: Path) -> None:
    runner = ScriptedRunner()
    async with opened(tmp_path, runner) as jobs:
        made = await asyncio.gather(*(jobs.submit("remove-bg", PHOTO, MaskOptions(), "k") for _ in range(8)))
        assert len({job.id for job, _ in made}) == 1
        assert sum(is_new for _, is_new in made) == 1
        await ended(jobs, made[0][0])
        again, is_new = await jobs.submit("remove-bg", PHOTO, MaskOptions(), "k")
        assert (again.id, again.state, is_new) == (made[0][0].id, "succeeded", False)
        for other in (
            jobs.submit("remove-bg", {"file": b"another photo"}, MaskOptions(), "k"),
            jobs.submit("remove-bg", PHOTO, MaskOptions(crop=True), "k"),
            jobs.submit("generate-mesh", PHOTO, MeshOptions(), "k"),
            jobs.submit("remove-bg", {**PHOTO, "mask": b""}, MaskOptions(), "k"),
        ):
            with pytest.raises(IdempotencyConflictError):
                await other
        await no_inputs(tmp_path)
    assert len(runner.asked) == 1


@wherever
async def test_no_more_jobs_wait_than_the_settings_say(tmp_path: Path) -> None:
    async with opened(tmp_path, ScriptedRunner(endless), max_queued_jobs=2) as jobs:
        await running(jobs, await hand_in(jobs))
        for _ in range(2):
            await hand_in(jobs)
        with pytest.raises(OverloadedError):
            await hand_in(jobs)
        assert len(inputs(tmp_path)) == 3


@wherever
async def test_results_go_after_their_time_with_all_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        job = await hand_in(jobs)
        await ended(jobs, job)
        assert files(tmp_path) == {"mask.png"}
        a_week_later(monkeypatch)
        with pytest.raises(NotFoundError):
            await jobs.get(job.id)
        async with asyncio.timeout(30):
            while files(tmp_path):
                await asyncio.sleep(0.01)
        assert sum((await jobs.counts()).states.values()) == 0


@wherever
async def test_the_oldest_results_make_room_for_new_ones(tmp_path: Path) -> None:
    async def large(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        return done(data=bytes(1000))

    size = 3 * (1000 + ROW_BYTES) + 500
    async with opened(tmp_path, ScriptedRunner(large), result_bytes=size, max_upload_bytes=size) as jobs:
        made = []
        for _ in range(6):
            made.append(await hand_in(jobs))
            await ended(jobs, made[-1])
        async with asyncio.timeout(30):
            while len(await jobs.page(100, None)) > 3:
                await asyncio.sleep(0.01)
        assert [job.id for job in await jobs.page(100, None)] == [job.id for job in made[:2:-1]]
        assert (await jobs.counts()).size == 3000


async def test_a_full_disk_refuses_new_jobs_and_space_brings_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        old = await ended(jobs, await hand_in(jobs))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", no_room)
            with pytest.raises(StorageFullError):
                await hand_in(jobs)
            assert (await jobs.get(old.id)).state == "succeeded"
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
        assert sum((await jobs.counts()).states.values()) == 2


async def test_a_result_that_cannot_be_stored_fails_its_job_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = pytest.MonkeyPatch()

    async def fills_the_disk(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        full.setattr(os, "fsync", no_room)
        return done()

    runner = ScriptedRunner(fills_the_disk)
    async with opened(tmp_path, runner) as jobs:
        try:
            found = await ended(jobs, await hand_in(jobs))
        finally:
            full.undo()
        assert found.state == "failed"
        assert found.outcome.problem is not None and found.outcome.problem["status"] == 507
        runner.script = two_stages
        assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
    assert files(tmp_path) == {"mask.png"}


async def test_a_service_that_starts_on_a_full_disk_takes_jobs_as_soon_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", no_room)
        jobs = Jobs(Settings(data_dir=tmp_path / "new"), ScriptedRunner())  # type: ignore[arg-type]
        await jobs.start()
        with pytest.raises(StorageFullError):
            await jobs.page(10, None)
    async with asyncio.timeout(30):
        while not await is_open(jobs):
            await asyncio.sleep(0.01)
    assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
    await jobs.stop(0.0)


async def test_a_second_service_in_the_same_folder_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    async with opened(tmp_path, ScriptedRunner()):
        other = Jobs(Settings(data_dir=tmp_path), ScriptedRunner())  # type: ignore[arg-type]
        with pytest.raises(DataFolderError, match="Another service"):
            await other.start()
    async with opened(tmp_path, ScriptedRunner()):
        pass


async def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match="DATA_DIR"):
        await Jobs(Settings(data_dir=tmp_path / "file"), ScriptedRunner()).start()  # type: ignore[arg-type]


async def test_a_job_whose_photo_is_gone_is_gone_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, ScriptedRunner(endless)) as jobs:
        first, second = await hand_in(jobs), await hand_in(jobs)
    (tmp_path / "jobs" / "inputs" / first.id / "file").unlink()
    (tmp_path / "jobs" / "inputs" / first.id).rmdir()
    async with opened(tmp_path, ScriptedRunner()) as jobs:
        with pytest.raises(NotFoundError):
            await jobs.get(first.id)
        assert (await ended(jobs, second)).state == "succeeded"


def no_answer(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


async def broken_store(*_: object, **__: object) -> None:
    raise sqlite3.OperationalError("unable to open database file")


def gone(*_: object, **__: object) -> None:
    raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
