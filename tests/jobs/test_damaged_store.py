"""A store of jobs that was damaged, edited or lost: what can be read is served, and nothing is removed by mistake."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from backend.api.job_documents import document
from backend.contract.options import MaskOptions
from backend.contract.settings import MAX_TTL_S, REPOSITORY, Settings
from backend.jobs import store as job_store
from backend.jobs.database import DataFolderError, connect
from backend.jobs.records import JobIds, made_at
from backend.jobs.service import Jobs
from tests.helpers.scripted_runner import ScriptedRunner, endless

pytestmark = pytest.mark.anyio
PHOTO = {"file": b"a photo"}
FINISHED = 3


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A data folder with FINISHED finished jobs and two that wait."""
    runner = ScriptedRunner()
    async with opened(tmp_path, runner) as jobs:
        for _ in range(FINISHED):
            await jobs.submit("remove-bg", PHOTO, MaskOptions())
        while (await jobs.counts()).states["succeeded"] < FINISHED:
            pass
        runner.script = endless
        for _ in range(2):
            await jobs.submit("remove-bg", PHOTO, MaskOptions())
    return tmp_path


@asynccontextmanager
async def opened(folder: Path, runner: ScriptedRunner | None = None) -> AsyncIterator[Jobs]:
    jobs = Jobs(Settings(data_dir=folder), runner or ScriptedRunner(endless))  # type: ignore[arg-type]
    jobs.hold()
    await jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop(0.0)


def store(folder: Path) -> Path:
    return folder / "jobs" / "jobs.sqlite3"


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(store(folder))) as database, database:
        assert database.execute(statement, values).rowcount


def job_folders(folder: Path) -> set[str]:
    return {f"{place}/{path.name}" for place in ("inputs", "results") for path in (folder / "jobs" / place).iterdir()}


ONE = "WHERE id = (SELECT MIN(id) FROM jobs WHERE state = 'succeeded')"
WAITING = "WHERE id = (SELECT MIN(id) FROM jobs WHERE state = 'queued')"
DAMAGE = {
    "a kind that is unknown": ("UPDATE jobs SET kind = 'x'", None),
    "a kind that is never a job": ("UPDATE jobs SET kind = 'edit-mask'", None),
    "a state that is unknown": ("UPDATE jobs SET state = 'x'", None),
    "an outcome of another state": ("UPDATE jobs SET outcome = ?", '{"state": "failed", "problem": {"code": "x"}}'),
    "broken JSON": ("UPDATE jobs SET outcome = ?", "{"),
    "JSON of another shape": ("UPDATE jobs SET outcome = ?", "[1]"),
    "JSON without an end": ("UPDATE jobs SET options = ?", "[" * 100_000),
    "options that are no object": ("UPDATE jobs SET options = ?", '"x"'),
    "a number that JSON has not": ("UPDATE jobs SET options = ?", '{"margin": NaN}'),
    "half a character": ("UPDATE jobs SET options = ?", '{"margin": "\\ud800"}'),
    "bytes that are no text": ("UPDATE jobs SET options = ?", b"\xff\xfe"),
    "text that is no UTF-8": ("UPDATE jobs SET asked = CAST(? AS TEXT)", b"\xff\xfe"),
    "no files": ("UPDATE jobs SET outcome = ?", '{"state": "succeeded"}'),
    "a file elsewhere": (
        "UPDATE jobs SET outcome = ?",
        json.dumps({"state": "succeeded", "files": [{"name": "../../x", "media_type": "image/png", "size": 1}]}),
    ),
    "a file of a type that is not ours": (
        "UPDATE jobs SET outcome = ?",
        json.dumps({"state": "succeeded", "files": [{"name": "mask.png", "media_type": "text/html", "size": 1}]}),
    ),
    "a time that is no number": ("UPDATE jobs SET created_at = ?", "yesterday"),
    "a time beyond all calendars": ("UPDATE jobs SET started_at = ?", 1e15),
    "a time without end": ("UPDATE jobs SET started_at = ?", float("inf")),
    "an id of another kind": ("UPDATE jobs SET id = ?", "zz"),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_row_that_cannot_be_read_is_skipped_and_logged_once(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(job_store.logger, "error", lambda text, *values: lines.append(text % values))
    statement, value = DAMAGE[name]
    with closing(sqlite3.connect(store(folder))) as database:
        (damaged,) = database.execute(f"SELECT id FROM jobs {ONE}").fetchone()
    change(folder, f"{statement} {ONE}", *(() if value is None else (value,)))
    before = job_folders(folder)
    async with opened(folder) as jobs:
        found = await jobs.page(100, None)
        assert len(found) == FINISHED - 1 + 2 and damaged not in {job.id for job in found}
        assert [document(job, None).id for job in found] == [job.id for job in found]
        assert len(await jobs.page(2, None)) == 2
        assert sum((await jobs.counts()).states.values()) >= len(found)
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
        assert job.id > max(one.id for one in found)
        await jobs.remove(job.id)
        kept = before if name != "an id of another kind" else before - {f"results/{damaged}"}
        assert kept <= job_folders(folder)
    assert len(lines) == 1 and "cannot be read and is skipped" in lines[0]


async def test_a_waiting_row_that_cannot_be_read_holds_up_no_other(folder: Path) -> None:
    change(folder, f"UPDATE jobs SET options = '{{' {WAITING}")
    runner = ScriptedRunner()
    async with opened(folder, runner) as jobs:
        while (await jobs.counts()).states["succeeded"] <= FINISHED:
            pass
        assert (await jobs.counts()).states["queued"] == 1


async def test_a_key_of_a_row_that_cannot_be_read_is_free_again(folder: Path) -> None:
    async with opened(folder) as jobs:
        first, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions(), "key")
    change(folder, "UPDATE jobs SET options = '{' WHERE id = ?", first.id)
    async with opened(folder) as jobs:
        second, is_new = await jobs.submit("remove-bg", PHOTO, MaskOptions(), "key")
        assert is_new and second.id != first.id
        assert not (await jobs.submit("remove-bg", PHOTO, MaskOptions(), "key"))[1]


async def test_an_event_that_cannot_be_read_is_skipped(folder: Path) -> None:
    change(folder, f"UPDATE events SET data = '{{' WHERE number = 1 AND job_id = (SELECT id FROM jobs {ONE})")
    async with opened(folder) as jobs:
        job = (await jobs.page(100, None))[-1]
        numbers = [event.number async for event in jobs.listen(job.id, 0)]
        assert numbers[0] == 2 and len(numbers) > 2


async def test_jobs_that_would_never_expire_are_given_the_usual_time(folder: Path) -> None:
    change(folder, f"UPDATE jobs SET expires_at = 1e15 {ONE}")
    async with opened(folder) as jobs:
        found = await jobs.page(100, None)
    assert len(found) == FINISHED + 2
    assert all(job.expires_at is None or job.expires_at < time.time() + MAX_TTL_S for job in found)


@pytest.mark.parametrize("size", [float("inf"), 2**62, -1, "9" * 400, b"x"])
async def test_a_size_without_sense_makes_no_room_by_removing_other_jobs(size: object, folder: Path) -> None:
    change(folder, "UPDATE jobs SET size = ?", size)
    for _ in range(2):
        async with opened(folder) as jobs:
            assert await jobs._store.to_remove(time.time(), 10**9) == []
            assert len(await jobs.page(100, None)) == FINISHED + 2
            assert (await jobs.counts()).size >= 0


async def test_an_id_from_the_far_future_does_not_stop_new_jobs(folder: Path) -> None:
    assert made_at("7" + "z" * 25) is None and made_at("z" * 26) is None
    change(folder, f"UPDATE jobs SET id = ? {ONE}", "7" + "z" * 25)
    async with opened(folder) as jobs:
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
        assert abs((made_at(job.id) or 0.0) - time.time()) < 3600


async def test_a_store_that_was_lost_takes_no_folder_of_a_job_with_it(folder: Path) -> None:
    before = job_folders(folder)
    assert len(before) == FINISHED + 2
    for path in (folder / "jobs").glob("jobs.sqlite3*"):
        path.unlink()
    for _ in range(2):  # nor at the start after the next
        async with opened(folder) as jobs:
            assert await jobs.page(100, None) == []
        assert job_folders(folder) == before
    stray = folder / "jobs" / "inputs" / JobIds().next()
    stray.mkdir()
    async with opened(folder):
        assert job_folders(folder) == before  # what came later is swept as ever


async def test_a_backup_takes_no_result_with_it_that_it_does_not_know(folder: Path) -> None:
    backup = store(folder).read_bytes()
    async with opened(folder, ScriptedRunner()) as jobs:
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
        while not (await jobs.get(job.id)).final:
            pass
    store(folder).write_bytes(backup)
    async with opened(folder):
        assert (folder / "jobs" / "results" / job.id / "mask.png").is_file()


@pytest.mark.parametrize("job_id", ["..", "", "../..", "/etc", "jobs", "../../precious"])
async def test_an_expired_row_removes_nothing_but_the_files_of_a_job(job_id: str, folder: Path) -> None:
    (folder / "precious").mkdir()
    change(folder, f"UPDATE jobs SET id = ?, expires_at = 1 {ONE}", job_id)
    before = job_folders(folder)
    async with opened(folder) as jobs:
        assert await jobs._store.to_remove(time.time(), 10**9) == [job_id]
        await jobs._delete(job_id)
        assert await jobs._store.to_remove(time.time(), 10**9) == []
    assert job_folders(folder) == before and (folder / "precious").is_dir() and Path("/etc").is_dir()


async def test_a_missing_table_is_made_again(folder: Path) -> None:
    with closing(sqlite3.connect(store(folder))) as database:
        database.execute("DROP TABLE events")
    async with opened(folder) as jobs:
        assert len(await jobs.page(100, None)) == FINISHED + 2
        job, _ = await jobs.submit("remove-bg", PHOTO, MaskOptions())
        await jobs.remove(job.id)


def flipped(path: Path) -> None:
    data, dice = bytearray(path.read_bytes()), random.Random(3)
    for _ in range(300):
        data[dice.randrange(100, len(data))] ^= dice.randrange(1, 256)
    path.write_bytes(data)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_columns(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript("DROP TABLE jobs; CREATE TABLE jobs (id TEXT)")


def no_inputs_folder(path: Path) -> None:
    shutil.rmtree(path.parent / "inputs")
    (path.parent / "inputs").touch()


UNUSABLE: dict[str, Callable[[Path], None]] = {
    "bytes flipped": flipped,
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "no database": lambda path: path.write_bytes(b"my novel" * 1000) and None,
    "a folder": a_folder,
    "other columns": other_columns,
    "a file in place of a folder": no_inputs_folder,
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_store_that_cannot_be_used_is_reported_before_anything_starts(name: str, folder: Path) -> None:
    before = job_folders(folder) if name != "a file in place of a folder" else set()
    UNUSABLE[name](store(folder))
    jobs = Jobs(Settings(data_dir=folder), ScriptedRunner())  # type: ignore[arg-type]
    with pytest.raises(DataFolderError) as raised:
        jobs.hold()
    assert str(folder) in str(raised.value) and "\n" not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    await jobs.stop(0.0)
    assert not before or job_folders(folder) == before


async def test_the_command_ends_with_one_sentence_where_the_store_cannot_be_used(folder: Path) -> None:
    flipped(store(folder))
    command = [sys.executable, "-m", "backend", "serve", "--no-fetch", "--port", "0"]
    own = {"DATA_DIR": str(folder), "LOGS_DIR": str(folder / "logs")}
    ended = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **own}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "jobs.sqlite3" in ended.stderr


def test_a_store_of_an_earlier_version_of_the_code_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    connect(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE store")
    connection = connect(path)
    assert connection.execute("SELECT COUNT(*) FROM store").fetchone()[0] == 0  # so that everything may be swept
    connection.close()
