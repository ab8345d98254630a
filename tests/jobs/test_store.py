"""The rows of jobs: each change happens once, in order, or not at all."""

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backend.contract.errors import (
    IdempotencyConflictError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    StorageFullError,
)
from backend.jobs.database import DataFolderError
from backend.jobs.home import Counts
from backend.jobs.records import Job, JobIds, NewJob, Outcome, StoredFile
from backend.jobs.store import BY_STATE, EXPIRED, OLDEST, ROW_BYTES, TAKEN, AsyncJobStore, JobStore

NOW = 1_800_000_000.0
TTL_S = 100.0
GOOD = Outcome(
    "succeeded", ({"name": "decode", "seconds": 0.1},), {"notes": []}, files=(StoredFile("mask.png", "image/png", 10),)
)
ids = JobIds()


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs.sqlite3")


def add(store: JobStore, lane: str = "mask", key: str | None = None, fingerprint: str = "f", now: float = NOW) -> Job:
    new = NewJob(ids.next(), "remove-bg", lane, {"crop": True}, {"crop": True, "margin": 0.0}, 5, key, fingerprint)
    return store.add(new, now, max_queued=100, max_size=1000)


def events(store: JobStore, job: Job) -> list[tuple[int, str, object]]:
    return [(event.number, event.event, event.data.get("state")) for event in store.events(job.id, 0)]


def test_a_job_goes_its_way_and_its_events_say_so(store: JobStore) -> None:
    job = add(store)
    assert (job.state, job.attempts, job.created_at, job.expires_at) == ("queued", 0, NOW, None)
    assert store.claim("mask") is not None
    store.begin(job.id, NOW + 1)
    store.add_stages(job.id, [{"name": "decode"}])
    assert store.finish(job.id, GOOD, NOW + 2, TTL_S)
    found = store.get(job.id, NOW + 3)
    assert (found.state, found.attempts, found.started_at, found.finished_at) == ("succeeded", 1, NOW + 1, NOW + 2)
    assert found.expires_at == NOW + 2 + TTL_S
    assert found.outcome == GOOD
    history = [(1, "state", "queued"), (2, "state", "running"), (3, "stage", None), (4, "state", "succeeded")]
    assert events(store, job) == [*history, (5, "done", None)]
    assert [event.number for event in store.events(job.id, 3)] == [4, 5]


def test_the_oldest_job_of_a_lane_is_claimed_first_and_by_one_only(store: JobStore) -> None:
    first, mesh, second = add(store), add(store, "mesh"), add(store)
    claimed = [store.claim("mask"), store.claim("mask"), store.claim("mask"), store.claim("mesh")]
    assert [job and job.id for job in claimed] == [first.id, second.id, None, mesh.id]


def test_what_is_final_stays_as_it_is(store: JobStore) -> None:
    job = add(store)
    store.claim("mask")
    assert store.finish(job.id, Outcome("cancelled"), NOW, TTL_S)
    before = events(store, job)
    store.begin(job.id, NOW)
    store.add_stages(job.id, [{"name": "decode"}])
    store.requeue(job.id, count_attempt=True)
    assert not store.finish(job.id, GOOD, NOW, TTL_S)
    assert store.get(job.id, NOW).state == "cancelled"
    assert events(store, job) == before


@pytest.mark.parametrize("counts", [True, False])
def test_a_job_put_back_is_claimed_again(store: JobStore, counts: bool) -> None:
    job = add(store)
    store.claim("mask")
    store.begin(job.id, NOW)
    store.requeue(job.id, counts)
    again = store.claim("mask")
    assert again is not None and again.id == job.id and again.attempts == int(counts)


def test_a_key_names_one_job_and_one_request(store: JobStore) -> None:
    job = add(store, key="k")
    assert add(store, key="k").id == job.id
    found = store.find_key("k", "f", NOW)
    assert found is not None and found.id == job.id
    with pytest.raises(IdempotencyConflictError):
        store.find_key("k", "another request", NOW)
    with pytest.raises(IdempotencyConflictError):
        add(store, key="k", fingerprint="another request")
    assert store.counts().states["queued"] == 1


def test_a_key_is_free_again_when_its_job_has_expired_or_was_removed(store: JobStore) -> None:
    job = add(store, key="k")
    store.finish(job.id, GOOD, NOW, TTL_S)
    late = add(store, key="k", fingerprint="another request", now=NOW + TTL_S + 1)
    assert late.id != job.id
    store.remove(late.id)
    assert add(store, key="k").id != late.id


def test_pages_show_every_job_once_newest_first_even_when_one_goes_between(store: JobStore) -> None:
    made = [add(store).id for _ in range(7)]
    seen: list[str] = []
    page = store.page(3, None, NOW)
    while page:
        seen += [job.id for job in page]
        store.remove(seen[-1])
        page = store.page(3, seen[-1], NOW)
    assert seen == made[::-1]


def test_no_more_jobs_wait_than_may(store: JobStore) -> None:
    new = NewJob(ids.next(), "remove-bg", "mask", {}, {}, 600)
    store.add(new, NOW, max_queued=1, max_size=1000)
    for more, max_queued in ((NewJob(ids.next(), "remove-bg", "mask", {}, {}, 1), 1), (new, 5)):
        with pytest.raises(OverloadedError):
            store.add(more, NOW, max_queued, max_size=1000)
    store.finish(new.id, GOOD, NOW, TTL_S)
    store.add(NewJob(ids.next(), "remove-bg", "mask", {}, {}, 600), NOW, 1, 1000)


def test_an_expired_job_is_gone_before_it_is_swept(store: JobStore) -> None:
    job = add(store)
    store.finish(job.id, GOOD, NOW, TTL_S)
    assert store.get(job.id, NOW + TTL_S - 1).id == job.id
    with pytest.raises(NotFoundError):
        store.get(job.id, NOW + TTL_S)
    assert store.page(10, None, NOW + TTL_S) == []
    assert store.to_remove(NOW + TTL_S, 10**9) == [job.id]


def test_the_oldest_results_go_first_and_the_newest_stays(store: JobStore) -> None:
    made = [add(store).id for _ in range(4)]
    waiting = add(store).id
    for place, job_id in enumerate(made):
        store.finish(job_id, GOOD, NOW + place, TTL_S)  # 10 bytes each
    one = 10 + ROW_BYTES
    assert store.to_remove(NOW + 5, 4 * one) == []
    assert set(store.to_remove(NOW + 5, 4 * one - 1)) == set(made[:1])
    assert set(store.to_remove(NOW + 5, 2 * one)) == set(made[:2])
    assert set(store.to_remove(NOW + 5, 1)) == set(made[:3])
    assert set(store.to_remove(NOW + TTL_S + 1, 2 * one)) == set(made[:2])
    assert set(store.to_remove(NOW + TTL_S + 3, 4 * one)) == set(made)
    assert store.get(waiting, NOW).state == "queued"


def test_failed_jobs_are_counted_for_what_their_rows_take(store: JobStore) -> None:
    for _ in range(50):
        store.finish(add(store).id, Outcome("failed"), NOW, TTL_S)
    assert len(store.to_remove(NOW, 20 * ROW_BYTES)) == 30


def test_an_expired_job_that_gave_up_its_key_is_still_swept_away(store: JobStore) -> None:
    job = add(store, key="k")
    store.finish(job.id, GOOD, NOW, TTL_S)
    add(store, key="k", now=NOW + TTL_S + 1)
    assert store.to_remove(NOW + TTL_S + 1, 10**9) == [job.id]  # its files go with its row


def test_what_is_looked_up_after_every_job_comes_from_an_index_alone(store: JobStore, tmp_path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3")) as database:
        for query, values in ((EXPIRED, (0,)), (TAKEN, ()), (OLDEST, (1,)), (BY_STATE, ())):
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            assert len(plan) == 1 and "COVERING INDEX" in plan[0], plan


def test_a_store_left_open_by_a_killed_service_is_put_in_order(store: JobStore, tmp_path: Path) -> None:
    twice, once, waiting, finished = (add(store) for _ in range(4))
    for _ in range(2):
        assert store.claim("mask").id == twice.id  # type: ignore[union-attr]
        store.begin(twice.id, NOW)
        store.requeue(twice.id, count_attempt=True)
    for job in (twice, once):
        store.claim("mask")
        store.begin(job.id, NOW)
    store.finish(finished.id, GOOD, NOW, TTL_S)
    store.claim("mask")  # `waiting`, which had not begun
    store.close()
    after = JobStore(tmp_path / "jobs.sqlite3")
    assert after.recover(max_attempts=2, now=NOW, ttl_s=TTL_S) == [twice.id]
    assert [after.get(job.id, NOW).state for job in (once, waiting, finished)] == ["queued", "queued", "succeeded"]
    assert [after.get(job.id, NOW).attempts for job in (once, waiting)] == [1, 0]
    assert events(after, once)[-1][2] == "queued"


def test_a_full_disk_raises_storage_full_and_changes_nothing(store: JobStore) -> None:
    job = add(store, key="k")
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFullError):
        for _ in range(1000):
            add(store)
    before = store.counts()
    with pytest.raises(StorageFullError):
        store.add_stages(job.id, [{}]) or store.finish(job.id, Outcome("failed", report={"x": "y" * 9000}), NOW, TTL_S)
    assert store.counts() == before
    assert store.get(job.id, NOW).state == "queued"
    store._db.execute(f"PRAGMA max_page_count = {10 * pages}")
    assert store.finish(job.id, Outcome("failed", report={"x": "y" * 9000}), NOW, TTL_S)


def test_what_stages_usually_take_is_kept_in_order(store: JobStore) -> None:
    assert store.stage_times("p") == {}
    store.keep_stage_times("p", {"segment": 2.0, "decode": 1.0})
    store.keep_stage_times("p", {"segment": 3.0, "a": 1.0, "decode": 2.0})
    assert list(store.stage_times("p").items()) == [("segment", 3.0), ("a", 1.0), ("decode", 2.0)]


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(b"my novel, chapter one" * 100)
    with pytest.raises(DataFolderError, match="cannot be used"):
        JobStore(path)
    assert path.read_bytes().startswith(b"my novel")
    other = tmp_path / "other.sqlite3"
    sqlite3.connect(other).execute("PRAGMA user_version = 99")
    with pytest.raises(DataFolderError, match="another version"):
        JobStore(other)


@pytest.mark.anyio
async def test_calls_that_meet_the_end_are_answered_or_refused_and_nothing_is_called_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mattemesh"), "propagate", True)
    store = AsyncJobStore(tmp_path / "jobs.sqlite3")
    store.open(lambda inner: inner.created_at())
    before = [asyncio.create_task(store.counts()) for _ in range(5)]
    end = asyncio.create_task(store.close())
    during = [asyncio.create_task(store.counts()) for _ in range(5)]
    assert all(isinstance(found, Counts) for found in await asyncio.gather(*before))
    refused = await asyncio.gather(*during, return_exceptions=True)
    await end
    refused += await asyncio.gather(store.counts(), return_exceptions=True)
    assert [type(error) for error in refused] == [NotReadyError] * 6
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
