"""Two services behind nginx: what clients see while one of them is killed and under overload, and their shared jobs;
and one service before two nodes of Ray, and a folder on two.

    python benchmarks/cluster.py [requests] [overload] [jobs] [ray] [pinned] [folder]
    python benchmarks/cluster.py [head] [no-redis] [cable] [flood] [bodies] [stop]

The second line's rows are of a service before Ray on four machines (ray_machines.py); they need root, Redis and about
twelve minutes. Ctrl-C ends what they started.

Each service is the real server with a runner that sleeps (tests/helpers/front.py), so that counts, not cores, are
measured: two services have four places. Needs nginx, PostgreSQL and requirements-cluster.txt. About four minutes,
and five more for `pinned`, which wants cores that do nothing else.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from load_figures import flood, rate
from ray_machines import OWN, RAY, Machine, Machines, alone

from backend.cluster.bridge import load as load_bridge
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Work
from backend.workers.process import Load
from backend.workers.process_runner import ProcessRunner
from tests.helpers.clients import Plan, Seen, ask_many, begun, percentile
from tests.helpers.doers import load_told
from tests.helpers.front import FRONT
from tests.helpers.loads import STUB, Forms, answers, forms
from tests.helpers.nginx import nginx_before
from tests.helpers.postgres import PostgresServer
from tests.helpers.real_service import Answer, RealService, form, running
from tests.helpers.two_nodes import PICTURE, TwoNodes, made_from, two_nodes
from tests.helpers.waiting import until
from tests.service.test_shared_jobs import Front, each_is_killed_once, shared_jobs

CLIENTS, EACH = 5, 200
CLIENTS_OF_RAY, SETTLE_S = 8, 2.0
TURNS, PACE_S = 3, 14.0
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


def pinned_row(folder: Path) -> None:
    """Masks of 0.5 Mpx by one and by two nodes, each on a core of its own; and by workers without Ray on these cores.

    Other work on the cores changes the gains, but not the share of the time in which workers have nothing to do.
    """
    common = {"THREADS": "1", "CACHE_BYTES": "0", "FETCH_WEIGHTS": "0", "CLUSTER_MESH_CPUS": "1"}
    single = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
    pictures = forms(16, (800, 600), model="border")
    paces: dict[tuple[str, int], list[float]] = {}
    without: dict[str, list[float]] = {"own": [], "ray": []}
    with two_nodes(**single) as nodes, ExitStack() as services:

        def service(name: str, **settings: str) -> RealService:
            return services.enter_context(running(folder / name, **{**common, **single, **settings}))

        def deploy(count: int) -> None:
            done = nodes.run("-m", "backend", "cluster", "deploy", **common, CLUSTER_MASK_REPLICAS=str(count))
            assert done.returncode == 0, done.stderr[-2000:]
            front.until(lambda: len(idle_replicas(front)) == count)

        own = {count: service(f"own{count}", MASK_WORKERS=str(count)) for count in (1, 2)}
        front = service("front", **nodes.environment, CLUSTER=nodes.address)
        deploy(2)
        for core, pid in enumerate(mask_workers(front)):
            pin(psutil.Process(pid).parents()[1], core)  # of worker, replica and node the last
        for one in own.values():
            for core, pid in enumerate(mask_workers(one)):
                pin(psutil.Process(pid), core)
        for _ in range(TURNS):
            for count in (1, 2):
                deploy(count)
                for kind, one in (("own", own[count]), ("ray", front)):
                    found, idle_share = pace(one, pictures)
                    paces.setdefault((kind, count), []).append(found)
                    without[kind].append(idle_share)
    mean = {key: sum(found) / len(found) for key, found in paces.items()}
    gain, own_gain = mean["ray", 2] / mean["ray", 1], mean["own", 2] / mean["own", 1]
    spread = "; ".join(f"{kind} {count}: {min(each):.2f} to {max(each):.2f}" for (kind, count), each in paces.items())
    figure = f"{gain:.2f} × one, without Ray {own_gain:.2f} × (a second: {spread})"
    line("`pinned`, two nodes of a core each", figure, "0.95 of the latter", gain >= 0.95 * own_gain)
    figure = f"{max(without['ray']):.1%}, without Ray {max(without['own']):.1%} (the most)"
    line("time in which their workers had no work", figure, "none", True)


def mask_workers(service: RealService) -> list[int]:
    """Return the processes that make the masks of `service`, its own or those of replicas."""
    rows = [row for row in service.get("/health").json()["workers"] if row["lane"] == "mask"]
    return [row["pid"] for row in [row for row in rows if row["node"]] or rows]


def pin(process: psutil.Process, core: int) -> None:
    """Keep `process`, what it has started and what it will start on one core."""
    for one in (process, *process.children(recursive=True)):
        for thread in one.threads():
            os.sched_setaffinity(thread.id, {core})


def pace(service: RealService, pictures: Forms) -> tuple[float, float]:
    """Return the masks a second of a service that has more than it can do, and the share of the time in which its
    workers neither computed nor waited for their core."""
    pids = mask_workers(service)
    with begun(Plan(service.port, CLIENTS_OF_RAY, PACE_S), *pictures) as clients:
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), sum(map(wanted_s, pids))
        time.sleep(PACE_S - SETTLE_S - 1.0)
        share = (sum(map(wanted_s, pids)) - before) / (time.monotonic() - began) / len(pids)
        seen = clients.seen()
    assert {one.status for one in seen} == {200}
    ends = sorted(one.at + one.seconds for one in seen if SETTLE_S <= one.at + one.seconds < PACE_S)
    return (len(ends) - 1) / (ends[-1] - ends[0]), max(0.0, 1.0 - share)


def wanted_s(pid: int) -> float:
    """Return the seconds in which the threads of a process ran or were ready to run."""
    rows = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(ran) + int(waited) for ran, waited, _ in rows) / 1e9


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


REPLICAS = {"CLUSTER_MASK_REPLICAS": "2", "CLUSTER_MASK_CPUS": "3", "CLUSTER_MESH_CPUS": "0.5"}  # one a node


@contextmanager
def before(machines: Machines, folder: Path, **settings: str) -> Iterator[RealService]:
    """A service before `machines`, with a replica for masks on each node."""
    machines.on()
    machines.deploy(**REPLICAS)
    service = machines.service(folder / "front", **REPLICAS, **settings)
    try:
        service.start()
        both_work(service)
        yield service
    finally:
        service.end()


def both_work(service: RealService) -> float:
    """Wait for a replica on each node and return the seconds it took."""
    return service.until(lambda: len({row["node"] for row in idle_replicas(service)}) == 2, 120.0)


def noted(folder: Path, seconds: float) -> Forms:
    """Return a request whose work sleeps and leaves a byte in `folder` / "noted" each time that it is begun."""
    body, headers = form({"file": f"noted:{folder / 'noted'}:{seconds}\n".encode()})
    return [body], headers


def begun_again(folder: Path, seen: list[Seen]) -> int:
    return (folder / "noted").stat().st_size - sum(one.status == 200 for one in seen)


def figures(name: str, folder: Path, seen: list[Seen]) -> None:
    over, again = slowest_over_normal(seen), begun_again(folder, seen)
    whole = answers(seen) == {"200 ok": CLIENTS * EACH}
    line(name, counted(seen), "200", whole)
    line("slowest over the median", f"{over:.1f} s", "10 s", over <= 10)
    line("done again", str(again), "1 %", again <= len(seen) / 100)


def head_row(folder: Path) -> None:
    """The head is killed whole at a third of 1,000 requests, with its state in a Redis, and is on again 10 s later."""
    at = f"{OWN}:6380"
    redis = ["--port", "6380", "--bind", OWN, "--requirepass", "secret", "--appendonly", "yes"]
    machines = Machines(folder, ["--redis-password=secret"], {"RAY_REDIS_ADDRESS": at})
    with subprocess.Popen(["redis-server", *redis], cwd=folder, stdout=subprocess.DEVNULL) as server:
        with before(machines, folder) as service:
            with begun(load_of(service.port), *noted(folder, 0.1)) as clients:
                service.until(lambda: begun_at(service) > CLIENTS * EACH // 3)
                off = time.monotonic()
                machines.head.off()
                time.sleep(10.0)
                machines.head.on()
                away = time.monotonic() - off
                seen = clients.seen()
            figures(f"`head` killed, Redis, away {away:.0f} s", folder, seen)
        server.kill()


def no_redis_row(folder: Path) -> None:
    """The same without a Redis: nodes end after 10 s, and are started again after the head."""
    machines = Machines(folder, RAY_gcs_rpc_server_reconnect_timeout_s="10")
    with before(machines, folder) as service:
        with begun(Plan(service.port, CLIENTS, 60.0, pause_s=1.0), *noted(folder, 0.1)) as clients:
            service.until(lambda: begun_at(service) > CLIENTS * EACH // 3)
            machines.head.off()
            until(lambda: service.get("/readyz").status == 503)
            why = service.get("/readyz").json()["detail"]
            seen = clients.seen()
        only = set(answers(seen)) <= {"200 ok", "503 worker-lost", "503 overloaded"}
        line("`no-redis`: the head killed and away", counted(seen), "200 or 503", only)
        over = max(one.seconds for one in seen if one.status == 503)
        line("slowest 503; `/readyz` says", f"{over:.1f} s; {why}", "10 s", over <= 10)
        machines.head.on()
        for machine in (machines.own, *machines.nodes):
            machine.start_ray()
        seconds = service.until(lambda: service.get("/readyz").status == 200, 120.0)
        same = service.process.poll() is None
        line("ready again after the last node's start", f"{seconds:.0f} s, the same process", "", same)


def cable_row(folder: Path) -> None:
    """A node's cable is cut for 30 s in the middle of 1,000 requests."""
    machines = Machines(folder)
    node = machines.nodes[1]
    with before(machines, folder) as service:
        with begun(load_of(service.port), *noted(folder, 0.1)) as clients:
            service.until(lambda: begun_at(service) > CLIENTS * EACH // 3)
            cut = time.monotonic()
            node.cable(False)
            service.until(lambda: len(service.get("/health").json()["nodes"]) == 3)
            dropped = time.monotonic() - cut
            time.sleep(max(0.0, cut + 30.0 - time.monotonic()))
            node.cable(True)
            seen = clients.seen()
        figures("`cable` cut for 30 s", folder, seen)
        until(lambda: not ours(node))
        line("the node is left out after", f"{dropped:.0f} s", "30 s", dropped <= 30)
        node.start_ray()
        line("and works again after its `ray start`", f"{both_work(service):.0f} s", "", True)


def flood_row(folder: Path) -> None:
    """Three times the capacity for a minute."""
    with before(Machines(folder), folder) as service:
        seen = flood(service, noted(folder, 0.1), seconds=60.0, settle_s=5.0, clients=8)
    only = set(seen.answers) <= {"200 ok", "503 overloaded"}
    told = ", ".join(f"{count:,} × {answer}" for answer, count in sorted(seen.answers.items()))
    line(f"`flood`, capacity {seen.capacity:.1f} a second", told, "200 or 503", only)
    line("accepted", f"{seen.kept:.0%} of the capacity", "90 %", seen.kept >= 0.9)
    line("refused, p99", f"{seen.refused_p99_s * 1e3:.0f} ms", "100 ms", seen.refused_p99_s < 0.1)


# The service with workers of its machine that do what doers do.
ON_ONE_MACHINE = """
import sys
from backend.cli import main
from backend.commands import serve
from backend.main import create_app
from backend.workers.process_runner import ProcessRunner
from tests.helpers.doers import load_told
serve.create_app = lambda settings: create_app(settings, ProcessRunner(settings, load_told))
sys.exit(main(sys.argv[1:]))
"""


def bodies_row(folder: Path) -> None:
    """20 bodies of 20 MiB at once that come back as they are, on one machine and over the cluster."""
    machines = Machines(folder)
    photo = b"echo\n" + os.urandom(20 * 2**20 - 5)
    wide = {"MAX_WAITING": "64"}
    one = {**wide, "MASK_WORKERS": "2"}
    with running(folder / "one", program=(sys.executable, "-c", ON_ONE_MACHINE), **one) as service:
        own_s, own = bodies(service, photo, service.pid)
    with before(machines, folder, **wide) as service:
        seconds, grown = bodies(service, photo, service.children()[0].pid)
        spilled = [path for path in folder.rglob("ray_spilled*/*") if path.is_file()]
    line("`bodies`: 20 of 20 MiB at once, all back whole", f"{seconds:.1f} s; {own_s:.1f} s on one machine", "", True)
    figure = f"+{grown / 1e6:.0f} MB; +{own / 1e6:.0f} MB on one machine"
    line("memory of the HTTP process", figure, "+50 MB more", grown <= own + 50e6)
    line("files that Ray spilled", str(len(spilled)), "0", not spilled)


def bodies(service: RealService, photo: bytes, pid: int) -> tuple[float, int]:
    """Send 20 at once, twice; return the seconds of the second time and the growth of the process `pid` since the
    start of the first."""
    most = before = psutil.Process(pid).memory_info().rss
    with ThreadPoolExecutor(20) as clients:
        for _ in range(2):
            began = time.monotonic()
            futures = [clients.submit(service.post, "/remove-bg", {"file": photo}) for _ in range(20)]
            while not all(future.done() for future in futures):
                most = max(most, psutil.Process(pid).memory_info().rss)
                time.sleep(0.05)
            told = Counter(future.result().outcome for future in futures)
            assert told == {(200, "ok"): 20}, told
            assert all(future.result().body == photo for future in futures)
            seconds = time.monotonic() - began
    return seconds, most - before


STATES = """
import json, os
from backend.cluster.connect import connect
from backend.cluster.deploy import handle, replicas
connect(os.environ["CLUSTER"])
print(json.dumps([row.state for row in replicas(handle("mask"))]))
"""


def stop_row(folder: Path) -> None:
    """The service, the replicas and the nodes are stopped, each with four requests running."""
    machines = Machines(folder)
    with before(machines, folder) as service, ThreadPoolExecutor(4) as clients:

        def under_way(told: bytes) -> list[Future[Answer]]:
            asked = [clients.submit(service.post, "/remove-bg", {"file": told}) for _ in range(4)]
            service.until(lambda: service.lane()["running"] == 4)
            return asked

        def ended(name: str, began: float, asked: list[Future[Answer]], machines_: list[Machine], left: int) -> None:
            until(lambda: not any(map(ours, machines_)))
            seconds = time.monotonic() - began
            told = ", ".join(f"{n} × {s} {code}" for (s, code), n in Counter(a.result().outcome for a in asked).items())
            left += sum(len(files_of(machine)) for machine in machines.nodes)
            line(name, f"gone after {seconds:.1f} s; {told}; {left} files left", "30 s, 0", seconds <= 30 and not left)

        asked, began = under_way(b"stages:600\n"), time.monotonic()
        service.children()[0].terminate()
        ended("`stop`: SIGTERM, endless requests", began, asked, [machines.own], len(service.left_over()))
        until(lambda: json.loads(machines.own.run("-c", STATES).splitlines()[-1]) == ["idle", "idle"])
        line("and no replica goes on with them", f"{time.monotonic() - began:.0f} s after the signal", "30 s", True)

        service.process.wait()
        service.start()
        both_work(service)
        asked, began = under_way(b"stages:600\n"), time.monotonic()
        service.children()[0].kill()
        until(lambda: json.loads(machines.own.run("-c", STATES).splitlines()[-1]) == ["idle", "idle"], 120.0)
        seconds = time.monotonic() - began
        line("the service killed (-9): no replica goes on", f"{seconds:.0f} s after", "30 s", seconds <= 30)

        service.process.wait()
        service.start()
        both_work(service)
        asked, began = under_way(b"where:3\n"), time.monotonic()
        machines.own.run("-m", "backend", "cluster", "remove")
        ended("`cluster remove`, requests of 3 s", began, asked, machines.nodes, 0)
        service.until(lambda: service.get("/readyz").status == 503)
        refused = service.post("/remove-bg", {"file": b"echo\n"})
        line(
            "a request then", f"{refused.status} {refused.code}, {refused.seconds:.1f} s", "503", refused.status == 503
        )

        machines.deploy(**REPLICAS)
        both_work(service)
        asked, began = under_way(b"stages:600\n"), time.monotonic()
        for node in machines.nodes:
            node.run("-c", RAY, "stop")
        until(lambda: not any(node.processes() for node in machines.nodes))
        ended("`ray stop` on both nodes, endless requests", began, asked, machines.nodes, 0)


def ours(machine: Machine) -> list[psutil.Process]:
    """Return the processes of `machine` that are a service, its bridges, replicas, or their workers."""
    found = []
    for process in machine.processes():
        with suppress(psutil.Error):
            if "backend" in process.cmdline() or "backend.workers" in process.cmdline() or "Replica" in process.name():
                found.append(process)
    return found


def files_of(machine: Machine) -> list[Path]:
    """Return what replicas have left in the temporary folder of `machine` and among its results."""
    places = [machine.folder / "tmp", machine.folder / "data"]
    return [path for place in places for path in place.rglob("*") if path.is_file()]


ROWS = {
    "requests": requests_row,
    "overload": overload_row,
    "jobs": jobs_row,
    "ray": ray_row,
    "pinned": pinned_row,
    "folder": folder_row,
}
MACHINE_ROWS = {
    "head": head_row,
    "no-redis": no_redis_row,
    "cable": cable_row,
    "flood": flood_row,
    "bodies": bodies_row,
    "stop": stop_row,
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        MACHINE_ROWS[sys.argv[2]](Path(sys.argv[3]))
        sys.exit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its folders go too
    for name in sys.argv[1:] or [*ROWS, *MACHINE_ROWS]:
        # Short, since Ray's sockets lie in it; what is killed may write into it a moment longer.
        with tempfile.TemporaryDirectory(prefix="mm", dir="/tmp", ignore_cleanup_errors=True) as folder:
            if name in ROWS:
                ROWS[name](Path(folder))
            elif alone([sys.executable, __file__, "inside", name, folder]):
                sys.exit(1)
