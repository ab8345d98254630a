"""A store that something else damages, removes or exchanges while the service runs: it goes on where it can, says so
where it cannot, and removes nothing."""

import asyncio
import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from backend.contract.errors import NotFoundError, StorageFailedError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.jobs import dispatcher, service
from backend.jobs.records import JobIds
from backend.jobs.service import Jobs
from tests.helpers.scripted_runner import ScriptedRunner, endless

pytestmark = pytest.mark.anyio
PHOTO = {"file": b"a photo"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "RETRY_S", 0.02)
    monkeypatch.setattr(service, "REOPEN_S", 0.02)


@asynccontextmanager
async def opened(folder: Path, runner: ScriptedRunner | None = None) -> AsyncIterator[Jobs]:
    jobs = Jobs(Settings(data_dir=folder), runner or ScriptedRunner())  # type: ignore[arg-type]
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop(0.0)


async def finished(jobs: Jobs) -> str:
    """Return the id of a job that has succeeded."""
    job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
    async with asyncio.timeout(30):
        while (await jobs.get(job.id)).state != "succeeded":
            await asyncio.sleep(0.01)
    return job.id


async def works_again(jobs: Jobs) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await jobs.counts()
            except StorageFailedError:
                await asyncio.sleep(0.02)
            else:
                return


async def harmed(jobs: Jobs, folder: Path, harm: Callable[[Path], object]) -> None:
    """Do `harm` to the store's file between two of its transactions."""
    await jobs._store._on_thread(lambda: harm(store(folder)))


def store(folder: Path) -> Path:
    return folder / "jobs" / "jobs.sqlite3"


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def beside(path: Path) -> list[Path]:
    return list(path.parent.glob(path.name + "*"))


def another_program(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"my novel" * 1000)


def an_empty_file(path: Path) -> None:
    (path.parent / "new").touch()
    (path.parent / "new").rename(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# What leaves the connection all that it needs: an unnamed file, a log, a page cache.
HARMLESS: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "removed with its log": lambda path: [file.unlink() for file in beside(path)],
    "moved": lambda path: path.rename(path.with_name("elsewhere")),
    "exchanged for an empty file": an_empty_file,
    "exchanged for another program's": another_program,
    "exchanged for a folder": a_folder,
    "overwritten": garbage,
    "cut to nothing": lambda path: os.truncate(path, 0),
    "the folder moved": lambda path: path.parent.rename(path.parent.with_name("moved")),
}


@pytest.mark.parametrize("name", HARMLESS)
async def test_a_store_that_can_still_be_read_is_written_anew(name: str, tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        first = await finished(jobs)
        await harmed(jobs, tmp_path, HARMLESS[name])
        assert (await jobs.get(first)).state == "succeeded"
        second = await finished(jobs)
    async with opened(tmp_path) as jobs:  # and the next start finds both
        known = {job.id for job in await jobs.page(10, None)}
        assert known == ({second} if name == "the folder moved" else {first, second})


async def test_a_store_that_is_removed_during_a_transaction_is_written_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        job_id = await finished(jobs)
        await jobs._store.run(lambda _: [file.unlink() for file in beside(store(tmp_path))])
        assert (await jobs.get(job_id)).state == "succeeded"
        assert store(tmp_path).is_file()


async def test_a_store_that_was_removed_before_the_stop_is_there_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        job_id = await finished(jobs)
        await harmed(jobs, tmp_path, lambda path: path.unlink())
    async with opened(tmp_path) as jobs:
        assert (await jobs.get(job_id)).state == "succeeded"


def garbage_without_end(path: Path) -> None:
    """Fill the store's files with what no connection can make sense of."""
    for file in beside(path):
        file.write_bytes(b"\xff" * 100_000)


def restore(path: Path, backup: bytes) -> None:
    for file in beside(path):
        if file != path:
            file.unlink()
    (path.parent / "backup").write_bytes(backup)
    (path.parent / "backup").rename(path)


async def test_a_store_that_cannot_be_read_says_so_until_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mattemesh"), "propagate", True)
    async with opened(tmp_path) as jobs:
        first = await finished(jobs)
        await jobs._store.run(lambda one: one._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        backup = store(tmp_path).read_bytes()
        second = await finished(jobs)
        await jobs._store.run(lambda one: one._db.execute("PRAGMA cache_size = 0").fetchall())
        await harmed(jobs, tmp_path, garbage_without_end)
        for _ in range(5):
            with pytest.raises(StorageFailedError):
                await jobs.page(10, None)
            with pytest.raises(StorageFailedError):
                await jobs.submit("remove-bg", PHOTO, MaskOptions())
            await asyncio.sleep(0.03)
        assert not list((tmp_path / "jobs" / "inputs").iterdir())
        restore(store(tmp_path), backup)
        await works_again(jobs)
        assert (await jobs.get(first)).state == "succeeded"
        with pytest.raises(NotFoundError):
            await jobs.get(second)
        assert {path.name for path in (tmp_path / "jobs" / "results").iterdir()} == {first, second}
        assert await finished(jobs) > second
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not any(record.exc_info for record in said) and len(said) <= 4


async def test_a_job_in_hand_runs_again_once_the_store_is_mended(tmp_path: Path) -> None:
    runner = ScriptedRunner(endless)
    async with opened(tmp_path, runner) as jobs:
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
        async with asyncio.timeout(30):
            while (await jobs.get(job.id)).state != "running":
                await asyncio.sleep(0.01)
        await jobs._store.run(lambda one: one._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        backup = store(tmp_path).read_bytes()
        await jobs._store.run(lambda one: one._db.execute("PRAGMA cache_size = 0").fetchall())
        await harmed(jobs, tmp_path, garbage_without_end)
        with pytest.raises(StorageFailedError):
            await jobs.counts()
        assert [event async for event in jobs.listen(job.id, 0)] == []  # the stream ends, without an error
        runner.script = ScriptedRunner().script
        restore(store(tmp_path), backup)
        await works_again(jobs)
        async with asyncio.timeout(30):
            while (await jobs.get(job.id)).state != "succeeded":
                await asyncio.sleep(0.01)
        assert (await jobs.get(job.id)).attempts == 2


async def test_another_store_put_in_its_place_is_used_and_the_rows_before_it_are_kept(tmp_path: Path) -> None:
    async with opened(tmp_path / "other") as jobs:
        other = await finished(jobs)
    async with opened(tmp_path / "own") as jobs:
        own = await finished(jobs)
        results = tmp_path / "own" / "jobs" / "results"
        shutil.copytree(tmp_path / "other" / "jobs" / "results" / other, results / other)
        shutil.copy(store(tmp_path / "other"), tmp_path / "restored")
        await harmed(jobs, tmp_path / "own", lambda path: (tmp_path / "restored").rename(path))
        with contextlib.suppress(StorageFailedError):
            await jobs.counts()  # this meets the other store, if nothing before it has
        await works_again(jobs)
        assert [job.id for job in await jobs.page(10, None)] == [other]
        assert (results / own).is_dir()
    with closing(sqlite3.connect(store(tmp_path / "own").with_name("jobs.sqlite3.replaced"))) as database:
        assert database.execute("SELECT id FROM jobs").fetchall() == [(own,)]


async def test_folders_that_were_removed_are_made_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        for name in ("inputs", "results", "partial"):
            shutil.rmtree(tmp_path / "jobs" / name)
        assert (await jobs.get(await finished(jobs))).state == "succeeded"


async def test_a_folder_that_cannot_be_used_refuses_jobs_with_one_sentence(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        (tmp_path / "jobs" / "inputs").rmdir()
        (tmp_path / "jobs" / "inputs").touch()
        with pytest.raises(StorageFailedError):
            await jobs.submit("remove-bg", PHOTO, MaskOptions())
        assert (await jobs.counts()).states["queued"] == 0
        (tmp_path / "jobs" / "inputs").unlink()
        await finished(jobs)


async def test_a_result_that_cannot_be_stored_fails_its_job_with_a_reason(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        (tmp_path / "jobs" / "results").rmdir()
        (tmp_path / "jobs" / "results").touch()
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
        async with asyncio.timeout(30):
            while not (ended := await jobs.get(job.id)).final:
                await asyncio.sleep(0.01)
        assert ended.outcome.problem and ended.outcome.problem["code"] == "storage-failed"


@pytest.mark.parametrize("now", [-2e9, -1.0, 0.0, 4e9, 9.2e9, 2.5e11, 1e13, None])
async def test_a_job_is_found_whatever_the_clock_is_set_to(
    now: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock() -> float:
        if now is None:  # beyond the year 2262 Python's own clock raises
            raise OverflowError("timestamp too large to convert to C _PyTime_t")
        return now

    async with opened(tmp_path) as jobs:
        before = await finished(jobs)
        with monkeypatch.context() as patch:
            patch.setattr("backend.jobs.records.time.time", clock)
            there, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
            assert (await jobs.get(there.id)).id == there.id and there.id > before
        after = await finished(jobs)
        assert after > there.id
        assert JobIds(after).next() > after
