"""Jobs of two services behind a real nginx, in a real PostgreSQL and a bucket: each service is killed once."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.bucket import Bucket, bucket
from tests.helpers.drawn import encoded, toy
from tests.helpers.front import FRONT
from tests.helpers.nginx import needs_nginx, nginx_before
from tests.helpers.postgres import MISSING, PostgresServer, program
from tests.helpers.real_service import Answer, RealService
from tests.helpers.waiting import until

pytest.importorskip("psycopg", reason="psycopg is not installed; requirements-cluster.txt has it")
pytestmark = [needs_nginx, pytest.mark.timeout(600), pytest.mark.skipif(program("initdb") is None, reason=MISSING)]
JOBS = 60
PHOTO = encoded(toy()[0])


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.end()


class Front(RealService):
    """What nginx answers for several services; nothing of its own runs."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self.port = port

    def output(self) -> str:
        return ""


def photos_left(photos: Bucket, postgres: PostgresServer) -> list[str]:
    """Return the photos of jobs; one that was handed in to a service just before its end is of none."""
    jobs = {str(row[0]) for row in postgres.ask("SELECT id FROM mattemesh.jobs")}
    return [key for key in photos.objects if key.split("/")[1] == "inputs" and key.split("/")[2] in jobs]


@contextmanager
def shared_jobs(postgres: PostgresServer, folder: Path) -> Iterator[tuple[list[RealService], Front]]:
    """Two services that share their jobs, behind nginx; no job's photo is left when the block has ended."""
    with bucket() as photos:
        settings = {
            "JOBS_URL": postgres.url,
            "FILES_URL": "s3://photos/jobs",
            "TRUSTED_PROXIES": "127.0.0.1",
            "WORK_S": "0.4",
            **photos.environment,
        }
        services = [RealService(folder / name, settings, FRONT) for name in ("one", "two")]
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(RealService.start, services))
            with nginx_before(folder / "nginx", [service.port for service in services]) as port:
                yield services, Front(folder / "front", port)
                until(lambda: not photos_left(photos, postgres))
        finally:
            for service in services:
                service.end()


def test_each_service_is_killed_once_and_each_job_has_one_result(postgres: PostgresServer, tmp_path: Path) -> None:
    with shared_jobs(postgres, tmp_path) as (services, front):
        each_is_killed_once(services, front, postgres)


def is_busy(service: RealService, begun: int) -> bool:
    """Whether a service works, and has begun more than so many jobs."""
    lane = service.lane()
    return bool(lane["running"] > 0 and lane["begun"] > begun)


def each_is_killed_once(
    services: list[RealService], front: Front, postgres: PostgresServer, count: int = JOBS
) -> Counter[int]:
    """Hand in `count` jobs, and kill each service once while its part of them comes in; assert that each job has one
    result, and return how many were begun how often."""
    handed_in: list[Answer] = []
    part = count // len(services)

    def hand_in() -> None:
        for _ in range(part):
            handed_in.append(front.post("/jobs", {"file": PHOTO}, kind="remove-bg"))

    def done() -> int:
        (row,) = postgres.ask("SELECT COUNT(*) FROM mattemesh.jobs WHERE finished_at IS NOT NULL")
        return int(str(row[0]))

    for number, service in enumerate(services, 1):
        client = threading.Thread(target=hand_in)
        client.start()
        service.until(partial(is_busy, service, part // 4))
        assert service.kill() == []
        service.start()
        client.join()
        # One that was interrupted by both would have had its tries.
        until(partial(lambda expected: done() == expected, number * part))
    assert Counter(answer.status for answer in handed_in).keys() <= {200, 202}, Counter(
        answer.outcome for answer in handed_in
    )
    ids = {answer.json()["id"] for answer in handed_in}
    assert len(ids) == count  # and a hand-in that nginx sent twice made one job
    assert postgres.ask("SELECT COUNT(*) FROM mattemesh.jobs") == [(count,)]
    rows = postgres.ask("SELECT id, state, attempts, outcome FROM mattemesh.jobs")
    assert {(row[1], int(str(row[2])) <= 2) for row in rows} == {("succeeded", True)}
    ends = "SELECT job_id FROM mattemesh.events WHERE event = 'done' GROUP BY job_id HAVING COUNT(*) = 1"
    assert len(postgres.ask(ends)) == count
    for job_id, _, _, outcome in rows[:5]:
        whole = front.get(f"/jobs/{job_id}/result")
        assert whole.status == 200 and len(whole.body) == json.loads(str(outcome))["files"][0]["size"]
        part = front.ask("GET", f"/jobs/{job_id}/result", headers={"Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, whole.body[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
        assert front.ask("GET", f"/jobs/{job_id}/result", headers={"Range": "bytes=999-"}).status == 416
    return Counter(int(str(row[2])) for row in rows)
