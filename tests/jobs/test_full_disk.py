"""Jobs on a disk that is really full: a tmpfs of a few megabytes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.contract.errors import NotFoundError, StorageFullError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Done, OnStage, Work
from backend.jobs import dispatcher, service
from backend.jobs.records import Job
from backend.jobs.service import Jobs
from tests.helpers.scripted_runner import ScriptedRunner, done
from tests.helpers.small_disk import fill, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
DISK_BYTES = 4 * 2**20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    with small_disk(tmp_path / "disk", DISK_BYTES) as place:
        yield place


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "RETRY_S", 0.05)
    monkeypatch.setattr(service, "REOPEN_S", 0.05)


async def hand_in(jobs: Jobs) -> Job:
    return (await jobs.submit("remove-bg", {"file": bytes(200_000)}, MaskOptions()))[0]


async def ended(jobs: Jobs, job: Job) -> Job:
    async with asyncio.timeout(30):
        while not (found := await jobs.get(job.id)).final:
            await asyncio.sleep(0.01)
    return found


async def is_open(jobs: Jobs) -> bool:
    try:
        await jobs.counts()
    except StorageFullError:
        return False
    return True


async def test_a_full_disk_costs_what_needs_it_and_nothing_else(disk: Path) -> None:
    runner = ScriptedRunner()
    jobs = Jobs(Settings(data_dir=disk), runner)  # type: ignore[arg-type]
    await jobs.start()
    kept = await ended(jobs, await hand_in(jobs))
    ballast = fill(disk)
    for _ in range(3):
        with pytest.raises(StorageFullError):
            await hand_in(jobs)
    assert (await jobs.get(kept.id)).state == "succeeded"
    assert [job.id for job in await jobs.page(10, None)] == [kept.id]
    assert len([event async for event in jobs.listen(kept.id, 0)]) == 6
    assert jobs.result(kept, kept.outcome.files[0]).read_bytes() == done().files[0].data
    await jobs.remove(kept.id)  # in the room that was set aside
    with pytest.raises(NotFoundError):
        await jobs.get(kept.id)
    ballast.unlink()
    assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
    await jobs.stop(1.0)


async def test_a_result_larger_than_the_disk_fails_its_job_with_the_reason(disk: Path) -> None:
    async def too_large(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        return done(data=bytes(2 * DISK_BYTES))

    runner = ScriptedRunner(too_large)
    jobs = Jobs(Settings(data_dir=disk), runner)  # type: ignore[arg-type]
    await jobs.start()
    found = await ended(jobs, await hand_in(jobs))
    assert found.outcome.problem is not None and found.outcome.problem["code"] == "storage-full"
    assert not list((disk / "jobs" / "partial").iterdir())
    await jobs.stop(1.0)


async def test_a_disk_that_fills_while_a_job_runs_fails_it(disk: Path) -> None:
    ballast: list[Path] = []

    async def filling(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        await asyncio.sleep(0.05)
        ballast.append(fill(disk))
        on_stage("decode")
        return done(data=bytes(500_000))

    runner = ScriptedRunner(filling)
    jobs = Jobs(Settings(data_dir=disk), runner)  # type: ignore[arg-type]
    await jobs.start()
    job = await hand_in(jobs)
    found = await ended(jobs, job)  # the room of its own photo is enough to say so
    assert found.outcome.problem is not None and found.outcome.problem["code"] == "storage-full"
    await jobs.remove(job.id)
    ballast[0].unlink()
    runner.script = ScriptedRunner().script
    assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
    await jobs.stop(1.0)


async def test_a_service_that_starts_on_a_full_disk_has_its_jobs_when_there_is_room(disk: Path) -> None:
    ballast = fill(disk)
    jobs = Jobs(Settings(data_dir=disk), ScriptedRunner())  # type: ignore[arg-type]
    await jobs.start()
    with pytest.raises(StorageFullError):
        await hand_in(jobs)
    ballast.unlink()
    async with asyncio.timeout(30):
        while not await is_open(jobs):
            await asyncio.sleep(0.01)
    assert (await ended(jobs, await hand_in(jobs))).state == "succeeded"
    await jobs.stop(1.0)
