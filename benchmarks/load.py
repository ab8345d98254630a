"""The service under load and in trouble, against the limits it has to keep: the table of docs/load.md.

    python -m benchmarks.load [ROW ...] [--shared ../shared] [--seconds 20]

By default all rows, in less than ten minutes on two idle cores: first those that measure time, one after the other,
then those in which only right or wrong counts, three at a time. Each starts a service of its own on this machine, with
the embedded engines and stub networks, and its clients in a process of their own, which share the cores with it. What
is sent is drawn: a toy before a plain ground. The latter rows are tests, their slow ones too, with a quarter of the
examples of their longest ones; their figure is how many passed and how long that took.
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "benchmarks")]

from load_figures import crowd, flood, growth  # noqa: E402

from tests.helpers.clients import Plan, begun  # noqa: E402
from tests.helpers.drawn import encoded  # noqa: E402
from tests.helpers.incidents import MOMENTS, STOPPED_WHILE, busy, hang_worker, leave  # noqa: E402
from tests.helpers.loads import STUB, forms  # noqa: E402
from tests.helpers.real_service import CHECKOUT, RealService, form, running  # noqa: E402
from tests.helpers.stub_networks import stub_networks  # noqa: E402
from tests.service.test_corpora_over_http import corpus, mismatches  # noqa: E402

BORDER = {"model": "border"}
MEGA = 1_000_000
AT_ONCE = 3  # rows of tests that run together: each waits a lot
EXAMPLES = "0.25"  # of the examples of the longest tests


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    figure: str
    limit: str
    passed: bool

    def __str__(self) -> str:
        return f"| {self.name} | {self.figure} | {self.limit} | {'yes' if self.passed else 'NO'} |"


def counted(answers: Mapping[str, int]) -> str:
    """Return how often each answer came: 9,463 × 200 ok, 537 × 503 overloaded."""
    return ", ".join(f"{count:,} × {answer}" for answer, count in sorted(answers.items()))


@contextmanager
def usual(**settings: str) -> Iterator[RealService]:
    """A service as a person gets it, with the stub networks beside the embedded engines."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), stub_networks, **settings) as service:
        yield service


def crowd_row(seconds: float) -> Iterator[Row]:
    """20 clients that ask without a pause."""
    for name, options, size in (
        ("`border`", {**BORDER, "quality": "fast"}, (160, 120)),
        ("stub network", STUB, (160, 120)),
    ):
        with usual() as service:
            seen = crowd(service, forms(100, size, **options), clients=20, each=500, seconds=seconds)
        row = f"`crowd`, {name}, 160 × 120, {seen.seconds:.0f} s"
        yield Row(row, counted(seen.answers), "200 or 503", seen.only_served_or_refused)
        limit = 1.2 * seen.accepted_limit_s
        median = f"a mask takes {seen.alone_s * 1e3:.0f} ms alone, {seen.service_s * 1e3:.0f} ms in the crowd"
        figure = f"{seen.accepted_p99_s:.2f} s; {median}"
        yield Row("accepted, p99", figure, f"{limit:.2f} s", seen.accepted_p99_s <= limit)
        yield Row("refused, p99", f"{seen.refused_p99_s * 1e3:.0f} ms", "100 ms", seen.refused_p99_s < 0.1)


def flood_row(seconds: float) -> Iterator[Row]:
    """Three times the capacity."""
    for name, options, size in (("`border`", BORDER, (640, 480)), ("stub network", STUB, (640, 480))):
        with usual() as service:
            seen = flood(service, forms(60, size, **options), seconds=seconds, settle_s=min(5, seconds / 5))
        row = f"`flood`, {name}, 640 × 480, capacity {seen.capacity:.1f} masks a second"
        only = set(seen.answers) <= {"200 ok", "503 overloaded"}
        figure = f"{seen.kept:.0%} of it accepted; {counted(seen.answers)}"
        yield Row(row, figure, "90 %", only and seen.kept >= 0.9)
        yield Row("`/healthz`, p99", f"{seen.healthz_p99_s * 1e3:.0f} ms", "100 ms", seen.healthz_p99_s < 0.1)
        yield Row("refused, p99", f"{seen.refused_p99_s * 1e3:.0f} ms", "100 ms", seen.refused_p99_s < 0.1)


def mixed(count: int, size: tuple[int, int], seed: int) -> tuple[list[bytes], dict[str, str]]:
    """Return `count` requests, the tenth part of them for `border`, the others for the stub network."""
    stub, headers = forms(count - count // 10, size, seed, model="stub")
    return stub + forms(count // 10, size, seed + 1, **BORDER)[0], headers


def memory_row(seconds: float) -> Iterator[Row]:
    """800 masks of pictures of one size, then 200 of 20 sizes; the cache is on."""
    del seconds
    sizes = [(160 + 48 * step, 120 + 36 * step) for step in range(20)]
    rounds: list[Callable[[], tuple[list[bytes], dict[str, str]]]] = []
    rounds += [lambda seed=10 * seed: mixed(200, (320, 240), seed) for seed in range(1, 4)]
    rounds += [lambda size=size: mixed(10, size, 200) for size in sizes]
    with usual(CACHE_BYTES=str(1000 * MEGA)) as service:
        grown = growth(service, mixed(200, (320, 240), 0), rounds)
        left = service.left_over()
    only = set(grown.answers) == {"200 ok"}
    yield Row("`memory`, 800 masks of 320 × 240, 200 up to 1072 × 804", counted(grown.answers), "200", only)
    for name, held in grown.before.items():
        more, allowed = grown.grown_bytes(name), grown.allowed_bytes(name)
        figure = f"{held.rss_bytes / MEGA:.0f} MB, {more / MEGA:+.1f} MB"
        yield Row(f"{name}: memory after 200, and since", figure, f"+{allowed / MEGA:.0f} MB", more <= allowed)
        files, threads = grown.more_files(name), grown.more_threads(name)
        yield Row(f"{name}: files and threads", f"{files:+d}, {threads:+d}", "+8, +4", files <= 8 and threads <= 4)
    yield Row("temporary files left", str(len(left)), "0", not left)


def leaving_row(seconds: float) -> Iterator[Row]:
    """Clients that leave, ten times at each moment."""
    del seconds
    with usual() as service:
        for moment in MOMENTS:
            worst = 0.0
            for _ in range(10):
                service.until(service.idle)
                worst = max(worst, leave(service, moment))
            yield Row(f"`leaving`: {moment}, longest of 10", f"{worst * 1e3:.0f} ms", "1 s", worst <= 1)


def drift_row(seconds: float) -> Iterator[Row]:
    """The server's memory over every file of the corpora that no script makes."""
    del seconds
    files, expected = corpus(Path(os.environ["MATTEMESH_SHARED"]) / "corpora", None)
    with usual() as service:
        before = service.held()["server"].rss_bytes
        wrong = mismatches(service, files, expected)
        more = service.held()["server"].rss_bytes - before
    yield Row(f"`drift`, {len(files)} files: answers other than expected", str(len(wrong)), "0", not wrong)
    yield Row("memory of the server since", f"{more / MEGA:+.1f} MB", "+30 MB", more < 30 * MEGA)


def silent_row(seconds: float) -> Iterator[Row]:
    """500 connections that say nothing or half of a head, beside an ordinary client."""
    del seconds
    head = b"POST /remove-bg HTTP/1.1\r\nHost: localhost\r\n"
    with usual(HEAD_DEADLINE_S="600") as service, ExitStack() as lines:

        def median_ms() -> float:
            return 1e3 * statistics.median(service.get("/healthz").seconds for _ in range(40))

        alone = median_ms()
        for number in range(500):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            line.sendall(head if number % 2 else b"")
        crowded = median_ms()
        yield Row("`silent`: `/healthz` beside 500 connections, median", f"{crowded:.1f} ms, alone {alone:.1f} ms",
                  f"{2 * alone + 20:.0f} ms", crowded <= 2 * alone + 20)  # fmt: skip


def readers_row(seconds: float) -> Iterator[Row]:
    """1,000 clients that read only the head of a 1.4 MB answer, beside one that asks for a mask and reads it."""
    del seconds
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 4), np.uint8)
    noise[..., 3] = 200
    body, headers = form({"file": cv2.imencode(".png", noise)[1].tobytes()})
    lines = [f"{name}: {value}" for name, value in {"Host": "localhost", **headers}.items()]
    head = "\r\n".join(["POST /remove-bg?output=cutout HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""])
    photo = (REPOSITORY / "examples" / "jug.jpg").read_bytes()
    own_body, own_headers = form({"file": photo}, quality="fast", **BORDER)
    own_headers = {**own_headers, "Cache-Control": "no-store"}
    limits = {"MAX_CONNECTIONS": "1200", "MAX_CONNECTIONS_PER_ADDRESS": "1200", "CACHE_BYTES": str(1000 * MEGA)}
    with usual(**limits) as service, ExitStack() as readers:

        def median_s() -> float:
            answers = [service.ask("POST", "/remove-bg", own_body, own_headers) for _ in range(7)]
            assert {answer.status for answer in answers} == {200}
            return statistics.median(answer.seconds for answer in answers)

        alone = median_s()
        answered = 0
        for _ in range(1000):
            line = readers.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.settimeout(60)
            line.connect(("127.0.0.1", service.port))
            line.sendall(head.encode() + body)
            answered += line.recv(200).startswith(b"HTTP/1.1 200 ")
        held = service.held()["server"].rss_bytes
        beside = median_s()
        yield Row("`readers`: answered of 1,000 that read only the head", str(answered), "1000", answered == 1000)
        yield Row("memory of the HTTP process", f"{held / MEGA:.0f} MB", "200 MB", held < 200 * MEGA)
        yield Row("a mask beside them, median", f"{beside:.2f} s, alone {alone:.2f} s", f"{2 * alone:.2f} s",
                  beside <= 2 * alone)  # fmt: skip


def streams_row(seconds: float) -> Iterator[Row]:
    """More event streams than there may be connections, all of one client."""
    del seconds
    with (
        usual(MAX_CONNECTIONS="40", MAX_CONNECTIONS_PER_ADDRESS="100", MAX_STREAMS_PER_CLIENT="100") as service,
        ExitStack() as lines,
    ):
        with service.stopped("mask"):
            photo = forms(1, (160, 120), kind="remove-bg", **STUB)
            jobs = [service.ask("POST", "/jobs", photo[0][0], photo[1]).json() for _ in range(2)]
            head = f"GET {jobs[-1]['links']['events']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            for _ in range(80):
                lines.enter_context(socket.create_connection(("127.0.0.1", service.port))).sendall(head)
            answers = [service.get(path) for path in ("/healthz", "/readyz", "/jobs") for _ in range(20)]
        refused = sum(answer.status != 200 for answer in answers)
    worst = max(answer.seconds for answer in answers)
    figure = f"{refused} refused, slowest {worst * 1e3:.0f} ms"
    yield Row("`streams`: 60 requests beside 80 streams", figure, "0, 1 s", not refused and worst <= 1)


def turns_row(seconds: float) -> Iterator[Row]:
    """One client with 40 requests under way, and another one that asks one after the other."""
    del seconds
    with usual(TRUSTED_PROXIES="127.0.0.1") as service:
        photos, headers = forms(60, (640, 480), **BORDER)
        with begun(Plan(service.port, 40, 300, pause_s=0.05), photos[:50], headers):
            service.until(lambda: service.lane()["waiting"] == service.lane()["max_waiting"])
            other = {**headers, "X-Forwarded-For": "203.0.113.9"}
            answers = [service.ask("POST", "/remove-bg", photo, other) for photo in photos[50:]]
    served = sum(answer.status == 200 for answer in answers)
    worst = max(answer.seconds for answer in answers)
    figure = f"{served} served, slowest {worst:.1f} s"
    yield Row("`turns`: 10 requests beside a client with 40", figure, "10, 10 s", served == 10 and worst <= 10)


def strokes_row(seconds: float) -> Iterator[Row]:
    """Strokes that each cover all of a 49 Mpx mask."""
    del seconds
    mask = encoded(np.zeros((7000, 7000), np.uint8), "PNG")
    with usual(MASK_DEADLINE_S="120") as service:
        for count in (3, 20, 2500):
            strokes = [{"x": x, "y": x, "radius": 8192, "hardness": 0.5, "mode": "add"} for x in range(count)]
            answer = service.ask("POST", "/edit-mask", *form({"mask": mask}, strokes=json.dumps(strokes)))
            expected = 200 if count <= 3 else 422
            figure = f"{answer.status} after {answer.seconds:.1f} s"
            passed = answer.status == expected and answer.seconds <= 10
            yield Row(f"`strokes`: {count} of radius 8,192 on 49 Mpx", figure, f"{expected}, 10 s", passed)


def files_row(seconds: float) -> Iterator[Row]:
    """1,000 connections, 45 of them stalled uploads on disk, where 1,024 files may be open."""
    del seconds
    limited = ("bash", "-c", 'ulimit -n 1024 && exec "$@"', "sh", *CHECKOUT)
    upload, headers = b"-" * 1_500_000, "Host: localhost\r\nContent-Length: 9000000\r\n"
    form = "Content-Type: multipart/form-data; boundary=B\r\n"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as lines:
        service = RealService(Path(folder), {"MAX_CONNECTIONS_PER_ADDRESS": "2000"}, limited)
        service.start()
        try:
            for number in range(1000):
                line = lines.enter_context(socket.create_connection(("127.0.0.1", service.port)))
                if number < 45:
                    line.sendall(f"POST /generate-mesh HTTP/1.1\r\n{headers}{form}\r\n".encode())
                    line.sendall(b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + upload)
            answers = [service.get("/healthz") for _ in range(40)]
        finally:
            service.terminate()
        lines_logged = service.output().count("cannot be accepted") + service.output().count("Traceback")
    worst = max(answer.seconds for answer in answers)
    refused = sum(answer.status != 200 for answer in answers)
    figure = f"{refused} refused, slowest {worst * 1e3:.0f} ms, {lines_logged} lines on accepting"
    yield Row("`files`: 40 × `/healthz` beside 1,000 connections", figure, "0, 1 s, 1 line",
              not refused and worst <= 1 and lines_logged <= 1)  # fmt: skip


def stopping_row(seconds: float) -> Iterator[Row]:
    """SIGTERM in each state, to a service with its usual times to drain and to stop."""
    del seconds
    for case in STOPPED_WHILE:
        with usual(MASK_DEADLINE_S="600", DRAIN_S="1") as service:
            under_way = busy(service, case)
            began = time.monotonic()
            status, living = service.terminate(meanwhile=under_way.answers)
            took = time.monotonic() - began
        yield Row(f"`stopping`: {case}", f"{took:.1f} s", "30 s", took <= 30 and (status, living) == (0, []))


def deadline_row(seconds: float) -> Iterator[Row]:
    """Work that hangs: how much later than its deadline it is answered."""
    del seconds
    with usual(MASK_DEADLINE_S="2") as service:
        for how in ("native", "stopped"):
            late = hang_worker(service, how).answer.seconds - 2
            yield Row(f"`deadline` of 2 s, worker {how}: answered later by", f"{late:+.2f} s", "1 s", 0 <= late <= 1)


def tests_row(name: str, *files: str) -> Callable[[float], Iterator[Row]]:
    """Return a row that runs test files with their slow tests."""

    def row(seconds: float) -> Iterator[Row]:
        del seconds
        paths = [str(REPOSITORY / "tests" / file) for file in files]
        command = [sys.executable, "-m", "pytest", "-m", "slow or not slow", "--timeout", "600", *paths]
        environment = {**os.environ, "SHARE_OF_EXAMPLES": EXAMPLES}
        began = time.monotonic()
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout[-6000:], file=sys.stderr)
        figure = f"{passed_in(done.stdout)}, {time.monotonic() - began:.0f} s"
        yield Row(f"`{name}`", figure, "all", not done.returncode)

    return row


def passed_in(output: str) -> str:
    """Return the counts in pytest's last line: 12 passed, 1 failed."""
    found = re.findall(r"\d+ (?:passed|failed|skipped|errors?)", output.splitlines()[-1] if output else "")
    return ", ".join(found) or "did not run"


# First what measures time, one row at a time; then what may run beside each other.
TIMED: dict[str, Callable[[float], Iterator[Row]]] = {
    "crowd": crowd_row,
    "flood": flood_row,
    "memory": memory_row,
    "drift": drift_row,
    "deadline": deadline_row,
    "leaving": leaving_row,
    "silent": silent_row,
    "readers": readers_row,
    "streams": streams_row,
    "turns": turns_row,
    "strokes": strokes_row,
    "files": files_row,
}
FILES = {
    "openapi": ("service/test_openapi_fuzz.py",),
    "corpora": ("service/test_corpora_over_http.py",),
    "gate": ("service/test_any_picture.py",),
    "planted": ("folders/batch/test_planted.py", "contract/test_confined_folder.py"),
    "workers": ("service/test_lost_workers.py", "service/test_slow_remote.py"),
    "server": ("service/test_killed_server.py",),
    "models": ("service/test_damaged_models.py",),
    "disks": ("service/test_full_disks.py",),
    "stores": ("jobs/test_damaged_store.py",),
    "settings": ("contract/test_settings.py", "api/test_startup.py"),
    "names": ("api/middleware/test_origins.py", "api/middleware/test_proxies.py", "test_deploy.py"),
    "terminal": ("commands/test_streams.py", "service/test_private_files.py"),
}
TOGETHER: dict[str, Callable[[float], Iterator[Row]]] = {
    "stopping": stopping_row,
    **{name: tests_row(name, *files) for name, files in FILES.items()},
}


def rows_of(names: list[str], seconds: float) -> Iterator[Row]:
    """Yield the rows of `names` in the order of the table, or of all."""
    chosen = [name for name in (*TIMED, *TOGETHER) if not names or name in names]
    for name in chosen:
        if name in TIMED:
            yield from TIMED[name](seconds)
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def begin(name: str) -> Future[list[Row]]:
            return pool.submit(lambda: list(TOGETHER[name](seconds)))

        for under_way in [begin(name) for name in chosen if name in TOGETHER]:
            yield from under_way.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join((*TIMED, *TOGETHER))}; by default all")
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="the reference folder")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the clients of crowd and flood ask")
    parsed = parser.parse_args()
    if unknown := set(parsed.rows) - {*TIMED, *TOGETHER}:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    os.environ["MATTEMESH_SHARED"] = str(parsed.shared)
    failed, began = 0, time.monotonic()
    print("| row | figure | limit | holds |\n|---|---|---|---|")
    for row in rows_of(parsed.rows, parsed.seconds):
        failed += not row.passed
        print(row, flush=True)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
