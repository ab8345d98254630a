"""Several services that share their jobs: each job has one outcome, whoever works on it, stops, or falls silent."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.contract.errors import NotFoundError, OverloadedError, StorageFailedError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Done, OnStage, Work
from backend.jobs import dispatcher, postgres, service, shared
from backend.jobs.database import DataFolderError
from backend.jobs.records import Job, JobIds
from backend.jobs.service import Jobs
from tests.helpers.postgres import PostgresServer
from tests.helpers.scripted_runner import ScriptedRunner, done, endless, two_stages

pytestmark = pytest.mark.anyio
PHOTO = {"file": b"a photo"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBS_URL", postgres.url)
    monkeypatch.setenv("FILES_URL", str(tmp_path / "files"))
    monkeypatch.setattr(dispatcher, "RETRY_S", 0.02)
    monkeypatch.setattr(service, "REOPEN_S", 0.02)


@pytest.fixture
def _soon_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SILENT_S", 2.0)
    monkeypatch.setattr(shared, "BEAT_S", 0.1)


@asynccontextmanager
async def opened(runner: ScriptedRunner, **settings: Any) -> AsyncIterator[Jobs]:
    jobs = Jobs(Settings(**settings), runner)
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop(0.0)


async def hand_in(jobs: Jobs, **more: Any) -> Job:
    return (await jobs.submit("remove-bg", PHOTO, MaskOptions(), **more))[0]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.02)


async def reached(jobs: Jobs, job: Job, *states: str) -> Job:
    async def is_there() -> bool:
        return (await jobs.get(job.id)).state in states

    await until(is_there)
    return await jobs.get(job.id)


async def history(jobs: Jobs, job: Job, heard: list[str] | None = None) -> list[str]:
    """Return the names of all events of a job until it ends, and add each to `heard` as it comes."""
    heard = [] if heard is None else heard
    async for event in jobs.listen(job.id, 0):
        heard.append(event.data.get("state") or event.data.get("name") or event.event)
    return heard


async def fall_silent(jobs: Jobs) -> None:
    """Keep a service from telling that it lives, and from hearing of others: it goes on with what it has."""
    for task in jobs._chores:
        task.cancel()


def idle() -> ScriptedRunner:
    return ScriptedRunner(capacity=0)


async def test_what_is_handed_in_at_one_service_may_run_at_another_and_is_known_at_both() -> None:
    async with opened(idle()) as one, opened(ScriptedRunner()) as two:
        job = await hand_in(one)
        heard = await asyncio.gather(history(one, job), history(two, job))
        assert heard == [["queued", "running", "decode", "segment", "succeeded", "done"]] * 2
        for jobs in (one, two):
            found = await jobs.get(job.id)
            assert Path(str(jobs.result(found, found.outcome.files[0]))).read_bytes() == done().files[0].data


async def test_each_job_is_claimed_by_one_of_many() -> None:
    runners = [ScriptedRunner(capacity=3) for _ in range(3)]
    async with opened(runners[0]) as one, opened(runners[1]) as two, opened(runners[2]) as three:
        handed_in = [await hand_in(jobs) for _ in range(10) for jobs in (one, two, three)]
        for job in handed_in:
            assert (await reached(one, job, "succeeded", "failed")).attempts == 1
    names = [work.name for runner in runners for work in runner.asked]
    assert sorted(names) == sorted(job.id for job in handed_in)


async def test_cancelling_at_one_service_stops_the_work_at_another(tmp_path: Path) -> None:
    runner = ScriptedRunner(endless)
    async with opened(idle()) as one, opened(runner) as two:
        job = await hand_in(one)
        await reached(one, job, "running")
        await one.remove(job.id)
        runner.script = two_stages
        after = await hand_in(one)  # it would wait for ever behind the first
        assert (await reached(one, after, "succeeded")).attempts == 1
        assert (await two.get(job.id)).state == "cancelled"
        assert not list((tmp_path / "files").glob(f"*/{job.id}"))


@pytest.mark.usefixtures("_soon_silent")
async def test_a_silent_service_loses_its_job_and_its_late_result_is_not_used() -> None:
    late, results = asyncio.Event(), []

    async def slow(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        await late.wait()
        results.append(work.name)
        return done(data=b"\x89PNG, late")

    async with opened(ScriptedRunner(slow)) as lost, opened(idle()) as two:
        job = await hand_in(lost)
        await reached(two, job, "running")
        await fall_silent(lost)
        await reached(two, job, "queued")
        two._runner.capacity["mask"] = 1  # type: ignore[attr-defined]
        two._dispatcher.wake("mask")
        found = await reached(two, job, "succeeded")
        assert found.attempts == 2
        late.set()
        await lost._dispatcher.stop(30.0)
        assert results == [job.id]
        again = await two.get(job.id)
        assert (again.state, again.finished_at, again.attempts) == ("succeeded", found.finished_at, 2)
        assert two.result(again, again.outcome.files[0]).is_file()  # type: ignore[union-attr]
        assert (await history(two, job)).count("done") == 1


@pytest.mark.usefixtures("_soon_silent")
async def test_a_job_whose_services_are_lost_twice_fails() -> None:
    async with opened(idle()) as last:
        job = await hand_in(last)
        for _ in range(2):
            async with opened(ScriptedRunner(endless)) as lost:
                await reached(last, job, "running")
                await fall_silent(lost)
                # Nobody says goodbye for it.
                await reached(last, job, "queued", "failed")
        found = await reached(last, job, "failed")
        assert found.outcome.problem is not None and found.outcome.problem["code"] == "worker-lost"
        assert found.attempts == 2


async def test_a_stop_gives_running_work_to_the_others_at_once_and_uncounted() -> None:
    async with opened(idle()) as two:
        async with opened(ScriptedRunner(endless)) as one:
            job = await hand_in(one)
            await reached(two, job, "running")
        assert (await two.get(job.id)).state == "queued"
        two._runner.capacity["mask"] = 1  # type: ignore[attr-defined]
        two._dispatcher.wake("mask")
        assert (await reached(two, job, "succeeded")).attempts == 1


async def test_a_stop_in_which_the_database_is_slow_gives_running_work_back_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def too_slow(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async with opened(idle()) as two:
        async with opened(ScriptedRunner(endless)) as one:
            job = await hand_in(one)
            await reached(two, job, "running")
            monkeypatch.setattr(one._store, "requeue", too_slow)
        found = await two.get(job.id)
        assert (found.state, found.attempts) == ("queued", 0)


async def test_one_key_at_two_services_at_the_same_moment_is_one_job() -> None:
    async with opened(idle()) as one, opened(idle()) as two:
        asked = [jobs.submit("remove-bg", PHOTO, MaskOptions(), "a key") for jobs in (one, two) * 5]
        answers = await asyncio.gather(*asked)
        assert len({job.id for job, _ in answers}) == 1
        assert [is_new for _, is_new in answers].count(True) == 1
        assert (await one.counts()).states["queued"] == 1


async def test_the_limit_of_waiting_jobs_holds_for_all_services_together() -> None:
    async with opened(idle(), max_queued_jobs=4) as one, opened(idle(), max_queued_jobs=4) as two:
        answers = await asyncio.gather(*(hand_in(jobs) for jobs in (one, two) * 5), return_exceptions=True)
        assert sum(isinstance(answer, Job) for answer in answers) == 4
        assert sum(isinstance(answer, OverloadedError) for answer in answers) == 6


async def test_a_database_that_restarts_costs_no_job_and_no_listener(postgres: PostgresServer) -> None:
    go_on = asyncio.Event()

    async def held(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        on_stage("decode")
        await go_on.wait()
        on_stage("segment")
        return done()

    runner = ScriptedRunner(held)
    async with opened(runner) as one, opened(idle()) as two:
        job, waiting = await hand_in(one), await hand_in(two)
        await reached(two, job, "running")
        heard: list[str] = []
        hearing = asyncio.create_task(history(two, job, heard))
        async with asyncio.timeout(60):
            while "decode" not in heard:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(postgres.stop)
        with pytest.raises(StorageFailedError):
            await hand_in(two)
        go_on.set()
        await asyncio.sleep(0.2)  # the work ends with nobody to tell
        await asyncio.to_thread(postgres.start)
        assert (await _patiently(lambda: reached(one, job, "succeeded"))).attempts == 1
        assert (await _patiently(lambda: reached(one, waiting, "succeeded"))).attempts == 1
        async with asyncio.timeout(60):
            assert await hearing == ["queued", "running", "decode", "segment", "succeeded", "done"]
    assert [work.name for work in runner.asked] == [job.id, waiting.id]


async def _patiently(ask: Callable[[], Awaitable[Job]]) -> Job:
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except StorageFailedError:
                await asyncio.sleep(0.05)


async def test_a_service_that_starts_before_its_database_takes_jobs_once_that_is_there(
    postgres: PostgresServer,
) -> None:
    await asyncio.to_thread(postgres.stop)
    try:
        async with opened(ScriptedRunner()) as jobs:
            with pytest.raises(StorageFailedError):
                await hand_in(jobs)
            await asyncio.to_thread(postgres.start)
            job = await _patiently(lambda: hand_in(jobs))
            await reached(jobs, job, "succeeded")
    finally:
        if postgres.process.poll() is not None:
            postgres.start()


async def test_tables_of_another_version_are_refused(postgres: PostgresServer) -> None:
    async with opened(idle()):
        pass
    postgres.ask("UPDATE mattemesh.version SET version = 99")
    with pytest.raises(DataFolderError, match="another version"):
        await Jobs(Settings(), idle()).start()


async def test_what_no_job_needs_goes_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = idle()
    async with opened(runner) as jobs:
        home = jobs._home
        assert isinstance(home, shared.SharedHome)
        ended = await hand_in(jobs)
        runner.capacity["mask"] = 1
        jobs._dispatcher.wake("mask")
        await reached(jobs, ended, "succeeded")
        await until(lambda: asyncio.to_thread(lambda: not home.files.stored_ids("inputs")))
        runner.capacity["mask"] = 0
        orphan, waiting = JobIds().next(), await hand_in(jobs)
        for job_id in (ended.id, orphan):  # a service was killed before it removed the one, or had a row for the other
            home.files.keep_inputs(job_id, PHOTO)
        await home.sweep()
        assert home.files.stored_ids("inputs") == {orphan, waiting.id}
        later = time.time() + 2 * shared.ORPHAN_S
        monkeypatch.setattr(shared, "time_now", lambda: later)
        await home.sweep()
        assert home.files.stored_ids("inputs") == {waiting.id}
        assert home.files.stored_ids("results") == {ended.id}


async def test_a_row_that_cannot_be_read_is_skipped_and_holds_nothing_up(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    runner = idle()
    async with opened(runner) as jobs:
        broken, good = await hand_in(jobs), await hand_in(jobs)
        postgres.ask("UPDATE mattemesh.jobs SET asked = '{' WHERE id = %s", broken.id)
        runner.capacity["mask"] = 1
        jobs._dispatcher.wake("mask")
        await reached(jobs, good, "succeeded")
        assert [job.id for job in await jobs.page(10, None)] == [good.id]
        with pytest.raises(NotFoundError):
            await jobs.get(broken.id)
    assert caplog.text.count(f"job {broken.id} cannot be read") == 1


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "find_spec", lambda name: None)
    with pytest.raises(DataFolderError, match=r"pip install -r requirements-cluster\.txt"):
        Jobs(Settings(), idle())
