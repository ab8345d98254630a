"""Jobs of two services behind a real nginx, in a real PostgreSQL and a bucket: each service is killed once."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.bucket import bucket
from tests.helpers.drawn import encoded, toy
from tests.helpers.front import FRONT
from tests.helpers.nginx import needs_nginx, nginx_before
from tests.helpers.postgres import MISSING, PostgresServer, program
from tests.helpers.real_service import Answer, RealService
from tests.helpers.waiting import until

pytest.importorskip("psycopg", reason="psycopg is not installed; requirements-cluster.txt has it")
pytestmark = [needs_nginx, pytest.mark.skipif(program("initdb") is None, reason=MISSING)]
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


def test_each_service_is_killed_once_and_each_job_has_one_result(postgres: PostgresServer, tmp_path: Path) -> None:
    with bucket() as photos:
        settings = {
            "JOBS_URL": postgres.url,
            "FILES_URL": "s3://photos/jobs",
            "TRUSTED_PROXIES": "127.0.0.1",
            "WORK_S": "0.1",
            **photos.environment,
        }
        services = [RealService(tmp_path / name, settings, FRONT) for name in ("one", "two")]
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(RealService.start, services))
            with nginx_before(tmp_path / "nginx", [service.port for service in services]) as port:
                each_is_killed_once(services, Front(tmp_path / "front", port), postgres)
                until(lambda: {key.split("/")[1] for key in photos.objects} == {"results"})  # no photo is left
        finally:
            for service in services:
                service.end()


def each_is_killed_once(services: list[RealService], front: Front, postgres: PostgresServer) -> None:
    handed_in: list[Answer] = []

    def hand_in() -> None:
        for _ in range(JOBS):
            handed_in.append(front.post("/jobs", {"file": PHOTO}, kind="remove-bg"))

    def done() -> int:
        (row,) = postgres.ask("SELECT COUNT(*) FROM mattemesh.jobs WHERE finished_at IS NOT NULL")
        return int(str(row[0]))

    def running(service: RealService) -> bool:
        return service.lane()["running"] > 0

    client = threading.Thread(target=hand_in)
    client.start()
    for service in services:
        before = done()
        until(lambda before=before: done() >= min(before + 5, JOBS))  # type: ignore[misc]
        if done() < JOBS:
            until(lambda service=service: running(service) or done() == JOBS)  # type: ignore[misc]
        assert service.kill() == []
        service.start()
    client.join()
    assert Counter(answer.status for answer in handed_in).keys() <= {200, 202}, Counter(
        answer.outcome for answer in handed_in
    )
    ids = {answer.json()["id"] for answer in handed_in}
    assert len(ids) == JOBS  # and a hand-in that nginx sent twice made one job
    assert postgres.ask("SELECT COUNT(*) FROM mattemesh.jobs") == [(JOBS,)]
    until(lambda: done() == JOBS)
    rows = postgres.ask("SELECT id, state, attempts, outcome FROM mattemesh.jobs")
    assert {(row[1], int(str(row[2])) <= 2) for row in rows} == {("succeeded", True)}
    ends = "SELECT job_id FROM mattemesh.events WHERE event = 'done' GROUP BY job_id HAVING COUNT(*) = 1"
    assert len(postgres.ask(ends)) == JOBS
    for job_id, _, _, outcome in rows[:5]:
        whole = front.get(f"/jobs/{job_id}/result")
        assert whole.status == 200 and len(whole.body) == json.loads(str(outcome))["files"][0]["size"]
        part = front.ask("GET", f"/jobs/{job_id}/result", headers={"Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, whole.body[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
        assert front.ask("GET", f"/jobs/{job_id}/result", headers={"Range": "bytes=999-"}).status == 416
