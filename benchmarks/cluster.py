"""Two services behind nginx: what clients see while one of them is killed and under overload, and their shared jobs;
and one service before two nodes of Ray, and a folder on two.

    python benchmarks/cluster.py [requests] [overload] [jobs] [ray] [folder]

Each service is the real server with a runner that sleeps (tests/helpers/front.py), so that counts, not cores, are
measured: two services have four places. Needs nginx, PostgreSQL and requirements-cluster.txt. About four minutes.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from load_figures import flood, rate

from backend.cluster.bridge import load as load_bridge
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Work
from backend.workers.process import Load
from backend.workers.process_runner import ProcessRunner
from tests.helpers.clients import Plan, Seen, ask_many, begun, percentile
from tests.helpers.doers import load_told
from tests.helpers.front import FRONT
from tests.helpers.loads import STUB, answers, forms
from tests.helpers.nginx import nginx_before
from tests.helpers.postgres import PostgresServer
from tests.helpers.real_service import RealService, form, running
from tests.helpers.two_nodes import PICTURE, TwoNodes, made_from, two_nodes
from tests.helpers.waiting import until
from tests.service.test_shared_jobs import Front, each_is_killed_once, shared_jobs

CLIENTS, EACH = 5, 200
CLIENTS_OF_RAY, SETTLE_S = 8, 2.0
JOBS = 500
PICTURES = 2000


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


def ray_row(folder: Path) -> None:
    """One service before two nodes of Ray: what passing on adds, what a second node brings, what is lost with parts."""
    with two_nodes() as nodes:
        os.environ.update(nodes.environment)
        settings = {"CLUSTER_MASK_REPLICAS": "1", "CLUSTER_MASK_CPUS": "0.5", "CLUSTER_MESH_CPUS": "0.5"}
        nodes.deploy(**settings)
        own = asyncio.run(added(Settings(data_dir=folder / "own"), None))
        passed = asyncio.run(added(Settings(data_dir=folder / "passed", cluster=nodes.address), load_bridge))
        line("`ray`, CPU added to a mask of 20 kB", f"{passed[0] - own[0]:.1f} ms", "15 ms", passed[0] - own[0] <= 15)
        line("time added", f"{passed[1] - own[1]:.1f} ms (medians)", "10 ms", passed[1] - own[1] <= 10)
        line("idle, for each of two nodes", idle(15.0), "none", True)
        environment = {**nodes.environment, **settings, "CLUSTER": nodes.address, "MAX_WAITING": "64"}
        with running(folder / "front", **environment) as front:
            one = worked(front.port, "where:0.15")
            nodes.deploy(**{**settings, "CLUSTER_MASK_REPLICAS": "2"})
            front.until(lambda: len(idle_replicas(front)) == 2)
            two = worked(front.port, "where:0.15")
            figure = f"{two / one:.2f} × one ({one:.1f} and {two:.1f} a second)"
            line("two nodes, sleeping work", figure, "1.95 ×", two / one >= 1.95)
            incidents_row(front, nodes)


async def added(settings: Settings, drive: Load | None) -> tuple[float, float]:
    """Return the CPU of all processes and the median time of a piece of work that does nothing, in ms."""
    runner = ProcessRunner(settings, load_told, drive=drive)
    runner.start()
    try:
        while not runner.status().ready:
            await asyncio.sleep(0.1)
        work = Work("remove-bg", {"file": b"where:0\n" + bytes(20_000)}, MaskOptions())
        times: list[float] = []
        for count in (20, 300):
            cpu, times = cpu_s(), []
            for _ in range(count):
                began = time.monotonic()
                await runner.run(work)
                times.append(time.monotonic() - began)
        return (cpu_s() - cpu) / count * 1e3, percentile(times, 0.5) * 1e3
    finally:
        runner.close()


def cpu_s() -> float:
    """Return the CPU that this process and all that it has started have used, idle Ray included."""
    used = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            used += sum(process.cpu_times()[:2])
    return used


def idle(seconds: float) -> str:
    """Return what Ray and one replica of each lane use while they do nothing, of two nodes half of it each."""
    before = cpu_s()
    time.sleep(seconds)
    cores = (cpu_s() - before) / seconds
    memory = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            memory += process.memory_full_info().uss
    return f"{cores / 2:.0%} of a core, {memory / 2 / 1e9:.2f} GB"


def idle_replicas(front: RealService) -> list[dict[str, Any]]:
    rows = front.get("/health").json()["workers"]
    return [row for row in rows if row["lane"] == "mask" and row["node"] and row["state"] in ("idle", "busy")]


def worked(port: int, told: str, seconds: float = 20.0) -> float:
    """Return how many pieces of work that do what `told` says are done in a second."""
    body, headers = form({"file": f"{told}\n".encode()})
    return rate(ask_many(Plan(port, CLIENTS_OF_RAY, seconds), [body], headers), SETTLE_S, seconds)


def incidents_row(front: RealService, nodes: TwoNodes) -> None:
    """1,000 requests; a worker, a replica and a node are killed (-9) on the way."""
    seen: list[tuple[tuple[int, str], float]] = []

    def kill_worker(parent: bool) -> None:
        worker = psutil.Process(idle_replicas(front)[0]["pid"])
        (worker.parent() if parent else worker).kill()

    incidents = {200: partial(kill_worker, False), 400: partial(kill_worker, True), 700: partial(nodes.do, "kill")}
    numbers = iter(range(CLIENTS * EACH))

    def client(_: int) -> None:
        for number in numbers:
            if number in incidents:
                incidents[number]()
                continue
            answer = front.post("/remove-bg", {"file": b"where:0.05\n"})
            seen.append((answer.outcome, answer.seconds))

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(client, range(CLIENTS)))
    told = Counter(f"{status} {code}" for (status, code), _ in seen)
    again = front.output().count("work is done again")
    seconds = [one for _, one in seen]
    over = max(seconds) - percentile(seconds, 0.5)
    figure = ", ".join(f"{count:,} × {answer}" for answer, count in sorted(told.items()))
    only = set(told) <= {"200 ok", "503 worker-lost"}
    line("a worker, a replica and a node killed", figure, "200; 503 for the worker's own", only)
    line("slowest over the median", f"{over:.1f} s", "10 s", over <= 10)
    line("done again", str(again), "1 %", again <= len(seen) / 100)


def folder_row(folder: Path) -> None:
    """2,000 pictures on two nodes: the driver is killed (-9) at a third, a node at two thirds; and once more."""
    source, out = folder / "in", folder / "out"
    source.mkdir()
    files = {f"p{index:04d}.png": PICTURE + str(index).encode() for index in range(PICTURES)}
    for name, data in files.items():
        (source / name).write_bytes(data)

    def results() -> list[Path]:
        return list(out.glob("*.png"))

    began = time.monotonic()
    with two_nodes(work_s=0.05) as cluster:
        killed = cluster.batch(source, out, "--quiet")
        until(lambda: len(results()) > PICTURES // 3, 300)
        killed.kill()
        killed.wait()
        at_kill = len(cluster.begun())
        following = cluster.batch(source, out, "--quiet")
        until(lambda: len(results()) > PICTURES * 2 // 3, 300)
        cluster.do("kill")
        following.wait(600)
        begun_before = len(cluster.begun())
        last = cluster.batch(source, out, "--quiet")
        last.wait(300)
        begun_times = Counter(cluster.begun())
    seconds = time.monotonic() - began
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()[1:]]
    states = {line["input"]: line["state"] for line in lines}
    done = sum(state == "done" for state in states.values())
    whole = sum((out / name).is_file() and (out / name).read_bytes() == made_from(data) for name, data in files.items())
    line(
        f"`folder`, {PICTURES:,} on two nodes, {seconds:.0f} s",
        f"{done:,} done, {whole:,} whole",
        "all",
        done == whole == PICTURES,
    )
    others = len(results()) - whole + len(list((out / ".mattemesh" / "partial").iterdir()))
    line("half files and orphans", str(others), "0", others == 0)
    twice = begun_times.total() - PICTURES
    line("begun twice, driver and node", f"{twice}; {at_kill:,} begun at the first kill", "24", twice <= 24)
    new = begun_times.total() - begun_before
    line("done once more by the same line", f"{new}, exit status {last.returncode}", "0", new == last.returncode == 0)


ROWS = {"requests": requests_row, "overload": overload_row, "jobs": jobs_row, "ray": ray_row, "folder": folder_row}


if __name__ == "__main__":
    for name in sys.argv[1:] or ROWS:
        with tempfile.TemporaryDirectory() as folder:
            ROWS[name](Path(folder))
