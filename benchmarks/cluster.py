"""Two services behind nginx: what clients see while one of them is killed and under overload, and their shared jobs.

    python benchmarks/cluster.py [requests] [overload] [jobs]

Each service is the real server with a runner that sleeps (tests/helpers/front.py), so that counts, not cores, are
measured: two services have four places. Needs nginx, PostgreSQL and requirements-cluster.txt. About four minutes.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from load_figures import flood

from tests.helpers.clients import Plan, Seen, begun, percentile
from tests.helpers.front import FRONT
from tests.helpers.loads import STUB, answers, forms
from tests.helpers.nginx import nginx_before
from tests.helpers.postgres import PostgresServer
from tests.helpers.real_service import RealService
from tests.service.test_shared_jobs import Front, each_is_killed_once, shared_jobs

CLIENTS, EACH = 5, 200
JOBS = 500


@contextmanager
def pair(folder: Path, work_s: float) -> Iterator[tuple[list[RealService], int]]:
    """Two services behind nginx, and its port."""
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "WORK_S": str(work_s)}
    services = [RealService(folder / name, settings, FRONT) for name in ("one", "two")]
    try:
        for service in services:
            service.start()
        with nginx_before(folder / "nginx", [service.port for service in services], connections=200) as port:
            yield services, port
    finally:
        for service in services:
            service.end()


def line(name: str, figure: str, limit: str, passed: bool) -> None:
    print(f"| {name} | {figure} | {limit} | {'yes' if passed else 'NO'} |", flush=True)


def counted(seen: list[Seen]) -> str:
    return ", ".join(f"{count:,} × {answer}" for answer, count in sorted(answers(seen).items()))


def slowest_over_normal(seen: list[Seen]) -> float:
    seconds = [one.seconds for one in seen]
    return max(seconds) - percentile(seconds, 0.5)


def begun_at(service: RealService) -> int:
    return int(service.lane()["begun"])


def requests_row(folder: Path) -> None:
    """One of two is killed (-9) at a third of 1,000 requests, and is back before the end."""
    with pair(folder, 0.05) as ((one, two), port), begun(load_of(port), *forms(8, (320, 240), **STUB)) as clients:
        one.until(lambda: begun_at(one) + begun_at(two) > CLIENTS * EACH // 3)
        before = begun_at(one)
        one.kill()
        one.start()
        seen = clients.seen()
        again = before + begun_at(one) + begun_at(two) - len(seen)
    over = slowest_over_normal(seen)
    only = set(answers(seen)) <= {"200 ok", "503 overloaded"} and len(seen) == CLIENTS * EACH
    line("`requests`, one of two killed", counted(seen), "200 or 503", only)
    line("slowest over the median", f"{over:.1f} s", "10 s", over <= 10)
    line("begun again", str(again), "1 %", again <= len(seen) / 100)


def load_of(port: int) -> Plan:
    return Plan(port, CLIENTS, 600.0, each=EACH)


def overload_row(folder: Path) -> None:
    """Three times the capacity for a minute."""
    with pair(folder, 0.1) as (services, port):
        front = Front(folder / "front", port)
        # Three clients in turn would leave a place empty.
        seen = flood(front, forms(20, (320, 240), **STUB), seconds=60.0, settle_s=5.0, clients=8)
        refused = sum(service.lane()["refused"] for service in services)
    only = set(seen.answers) <= {"200 ok", "503 overloaded"}
    told = ", ".join(f"{count:,} × {answer}" for answer, count in sorted(seen.answers.items()))
    line(f"`overload`, capacity {seen.capacity:.1f} a second", told, "200 or 503", only)
    line("accepted", f"{seen.kept:.0%} of the capacity; {refused:,} refusals inside", "90 %", seen.kept >= 0.9)
    line("refused, p99", f"{seen.refused_p99_s * 1e3:.0f} ms", "100 ms", seen.refused_p99_s < 0.1)


def jobs_row(folder: Path) -> None:
    """500 jobs handed in one by one; each service is killed (-9) once."""
    server = PostgresServer()
    try:
        with shared_jobs(server, folder) as (services, front):
            began = time.monotonic()
            tries = each_is_killed_once(services, front, server, JOBS)
            seconds = time.monotonic() - began
    finally:
        server.end()
    told = ", ".join(f"{count} begun {tries_each} ×" for tries_each, count in sorted(tries.items()))
    line(f"`jobs`, {JOBS} of two services, {seconds:.0f} s", told, "none lost, at most 2 ×", max(tries) <= 2)


ROWS = {"requests": requests_row, "overload": overload_row, "jobs": jobs_row}


if __name__ == "__main__":
    for name in sys.argv[1:] or ROWS:
        with tempfile.TemporaryDirectory() as folder:
            ROWS[name](Path(folder))
