"""The service under load and in trouble, against the limits it has to keep: one table of figures.

    python benchmarks/load.py [ROW ...] [--shared ../shared] [--minutes 6]

Rows: crowd, flood, memory, corpora, drift, workers, deadline, server, models, disks, leaving, silent, readers,
stopping, openapi, gate, streams, files, stores, settings, names, terminal, planted; by default all of them,
one after the other, about forty minutes on two cores. Each starts a service of its own on this machine, with the
embedded engines and stub networks, and its clients in a process of their own, which share the cores with it. What is
sent is drawn: a toy before a plain ground. The rows in which only right or wrong counts are tests, their slow ones too;
their figure is how many passed and how long that took.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

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


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    figure: str
    limit: str
    passed: bool


@contextmanager
def usual(**settings: str) -> Iterator[RealService]:
    """A service as a person gets it, with the stub networks beside the embedded engines."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), stub_networks, **settings) as service:
        yield service


def crowd_row(minutes: float) -> Iterator[Row]:
    """20 clients that ask 500 times each."""
    for name, options, size in (
        ("border, 160 × 120", {**BORDER, "quality": "fast"}, (160, 120)),
        ("stub network, 160 × 120", STUB, (160, 120)),
    ):
        with usual() as service:
            seen = crowd(service, forms(100, size, **options), clients=20, each=500, seconds=60 * minutes)
        row = f"20 clients × 500, {name}: {sum(seen.answers.values())} answers in {seen.seconds:.0f} s"
        yield Row(row, str(seen.answers), "200 or 503", seen.only_served_or_refused)
        limit = 1.2 * seen.accepted_limit_s
        median = f"a mask alone {seen.alone_s * 1e3:.0f} ms, in the crowd {seen.service_s * 1e3:.0f} ms"
        figure = f"{seen.accepted_p99_s:.2f} s ({median})"
        yield Row("  accepted, p99", figure, f"{limit:.2f} s", seen.accepted_p99_s <= limit)
        yield Row("  refused, p99", f"{seen.refused_p99_s * 1e3:.0f} ms", "100 ms", seen.refused_p99_s < 0.1)


def flood_row(minutes: float) -> Iterator[Row]:
    """Three times the capacity for two minutes."""
    for name, options, size in (("border", BORDER, (640, 480)), ("stub network", STUB, (640, 480))):
        with usual() as service:
            seen = flood(service, forms(60, size, **options), seconds=60 * min(minutes, 2), settle_s=5)
        row = f"3 × capacity ({seen.capacity:.1f} masks/s), {name}, 640 × 480"
        only = set(seen.answers) <= {"200 ok", "503 overloaded"}
        yield Row(row, f"{seen.kept:.0%} of it accepted; {seen.answers}", "90 %", only and seen.kept >= 0.9)
        yield Row("  /healthz, p99", f"{seen.healthz_p99_s * 1e3:.0f} ms", "100 ms", seen.healthz_p99_s < 0.1)
        yield Row("  refused, p99", f"{seen.refused_p99_s * 1e3:.0f} ms", "100 ms", seen.refused_p99_s < 0.1)


def mixed(count: int, size: tuple[int, int], seed: int) -> tuple[list[bytes], dict[str, str]]:
    """Return `count` requests, the tenth part of them for `border`, the others for the stub network."""
    stub, headers = forms(count - count // 10, size, seed, model="stub")
    return stub + forms(count // 10, size, seed + 1, **BORDER)[0], headers


def memory_row(minutes: float) -> Iterator[Row]:
    """2,000 masks of pictures of one size, then 200 of 20 sizes; the cache is on."""
    del minutes
    sizes = [(160 + 48 * step, 120 + 36 * step) for step in range(20)]
    rounds: list[Callable[[], tuple[list[bytes], dict[str, str]]]] = []
    rounds += [lambda seed=10 * seed: mixed(200, (320, 240), seed) for seed in range(1, 10)]
    rounds += [lambda size=size: mixed(10, size, 200) for size in sizes]
    with usual(CACHE_BYTES=str(1000 * MEGA)) as service:
        grown = growth(service, mixed(200, (320, 240), 0), rounds)
        left = service.left_over()
    only = set(grown.answers) == {"200 ok"}
    yield Row("2,000 masks of 320 × 240, then 200 up to 1072 × 804", str(grown.answers), "200", only)
    for name, held in grown.before.items():
        more, allowed = grown.grown_bytes(name), grown.allowed_bytes(name)
        figure = f"{held.rss_bytes / MEGA:.0f} MB, {more / MEGA:+.1f} MB"
        yield Row(f"  memory of {name} after 200, and since", figure, f"+{allowed / MEGA:.0f} MB", more <= allowed)
        files, threads = grown.more_files(name), grown.more_threads(name)
        yield Row(f"  files and threads of {name}", f"{files:+d}, {threads:+d}", "+8, +4", files <= 8 and threads <= 4)
    yield Row("  temporary files left", str(len(left)), "0", not left)


def leaving_row(minutes: float) -> Iterator[Row]:
    """Clients that leave, ten times at each moment."""
    del minutes
    with usual() as service:
        for moment in MOMENTS:
            worst = 0.0
            for _ in range(10):
                service.until(service.idle)
                worst = max(worst, leave(service, moment))
            yield Row(f"client leaves while {moment}: longest of 10", f"{worst * 1e3:.0f} ms", "1 s", worst <= 1)


def drift_row(minutes: float) -> Iterator[Row]:
    """The server's memory over every file of the corpora that no script makes."""
    del minutes
    files, expected = corpus(Path(os.environ["MATTEMESH_SHARED"]) / "corpora", None)
    with usual() as service:
        before = service.held()["server"].rss_bytes
        wrong = mismatches(service, files, expected)
        more = service.held()["server"].rss_bytes - before
    yield Row(f"{len(files)} files of the corpora: other answers than expected", str(len(wrong)), "0", not wrong)
    yield Row("  memory of server since", f"{more / MEGA:+.1f} MB", "+30 MB", more < 30 * MEGA)


def silent_row(minutes: float) -> Iterator[Row]:
    """500 connections that say nothing or half of a head, beside an ordinary client."""
    del minutes
    head = b"POST /remove-bg HTTP/1.1\r\nHost: localhost\r\n"
    with usual(HEAD_DEADLINE_S="600") as service, ExitStack() as lines:

        def median_ms() -> float:
            return 1e3 * statistics.median(service.get("/healthz").seconds for _ in range(40))

        alone = median_ms()
        for number in range(500):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            line.sendall(head if number % 2 else b"")
        crowded = median_ms()
        yield Row("/healthz beside 500 silent connections, median", f"{crowded:.1f} ms, alone {alone:.1f} ms",
                  f"{2 * alone + 20:.0f} ms", crowded <= 2 * alone + 20)  # fmt: skip


def readers_row(minutes: float) -> Iterator[Row]:
    """1,000 clients that read only the head of a 1.4 MB answer, beside one that asks for a mask and reads it."""
    del minutes
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
        yield Row("1,000 clients that read only the head: answered", str(answered), "1000", answered == 1000)
        yield Row("  memory of the HTTP process", f"{held / MEGA:.0f} MB", "200 MB", held < 200 * MEGA)
        yield Row("  a mask beside them, median", f"{beside:.2f} s, alone {alone:.2f} s", f"{2 * alone:.2f} s",
                  beside <= 2 * alone)  # fmt: skip


def streams_row(minutes: float) -> Iterator[Row]:
    """More event streams than there may be connections, all of one client."""
    del minutes
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
    yield Row("60 requests beside 80 event streams, MAX_CONNECTIONS=40", figure, "0, 1 s", not refused and worst <= 1)


def turns_row(minutes: float) -> Iterator[Row]:
    """One client with 40 requests under way, and another one that asks one after the other."""
    with usual(TRUSTED_PROXIES="127.0.0.1") as service:
        photos, headers = forms(60, (640, 480), **BORDER)
        with begun(Plan(service.port, 40, 60 * minutes, pause_s=0.05), photos[:50], headers):
            service.until(lambda: service.lane()["waiting"] == service.lane()["max_waiting"])
            other = {**headers, "X-Forwarded-For": "203.0.113.9"}
            answers = [service.ask("POST", "/remove-bg", photo, other) for photo in photos[50:]]
    served = sum(answer.status == 200 for answer in answers)
    worst = max(answer.seconds for answer in answers)
    figure = f"{served} served, slowest {worst:.1f} s"
    yield Row("10 requests beside a client with 40 under way", figure, "10, 10 s", served == 10 and worst <= 10)


def strokes_row(minutes: float) -> Iterator[Row]:
    """Strokes that each cover all of a 49 Mpx mask."""
    del minutes
    mask = encoded(np.zeros((7000, 7000), np.uint8), "PNG")
    with usual(MASK_DEADLINE_S="120") as service:
        for count in (3, 20, 2500):
            strokes = [{"x": x, "y": x, "radius": 8192, "hardness": 0.5, "mode": "add"} for x in range(count)]
            answer = service.ask("POST", "/edit-mask", *form({"mask": mask}, strokes=json.dumps(strokes)))
            expected = 200 if count <= 3 else 422
            figure = f"{answer.status} after {answer.seconds:.1f} s"
            passed = answer.status == expected and answer.seconds <= 10
            yield Row(f"{count} strokes of radius 8,192 on 49 Mpx", figure, f"{expected}, 10 s", passed)


def files_row(minutes: float) -> Iterator[Row]:
    """1,000 connections, 45 of them stalled uploads on disk, where 1,024 files may be open."""
    del minutes
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
    yield Row("40 × /healthz beside 1,000 connections, 1,024 files", figure, "0, 1 s, 1 line",
              not refused and worst <= 1 and lines_logged <= 1)  # fmt: skip


def stopping_row(minutes: float) -> Iterator[Row]:
    """SIGTERM in each state, to a service with its usual times to drain and to stop."""
    del minutes
    for case in STOPPED_WHILE:
        with usual(MASK_DEADLINE_S="600", DRAIN_S="1") as service:
            under_way = busy(service, case)
            began = time.monotonic()
            status, living = service.terminate(meanwhile=under_way.answers)
            seconds = time.monotonic() - began
        yield Row(f"SIGTERM: {case}", f"{seconds:.1f} s", "30 s", seconds <= 30 and (status, living) == (0, []))


def deadline_row(minutes: float) -> Iterator[Row]:
    """Work that hangs: how much later than its deadline it is answered."""
    del minutes
    with usual(MASK_DEADLINE_S="2") as service:
        for how in ("native", "stopped"):
            late = hang_worker(service, how).answer.seconds - 2
            yield Row(f"answer after a deadline of 2 s, worker {how}", f"{late:+.2f} s", "1 s", 0 <= late <= 1)


def tests_row(*files: str) -> Callable[[float], Iterator[Row]]:
    """Return a row that runs test files with their slow tests."""

    def row(minutes: float) -> Iterator[Row]:
        del minutes
        paths = [str(REPOSITORY / "tests" / file) for file in files]
        command = [sys.executable, "-m", "pytest", "-m", "slow or not slow", "--timeout", "3600", *paths]
        began = time.monotonic()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-500:]
        if done.returncode:
            print(done.stdout[-6000:], file=sys.stderr)
        yield Row(
            f"tests: {', '.join(files)}", f"{last} ({time.monotonic() - began:.0f} s)", "all", not done.returncode
        )

    return row


ROWS: dict[str, Callable[[float], Iterator[Row]]] = {
    "crowd": crowd_row,
    "flood": flood_row,
    "memory": memory_row,
    "corpora": tests_row("service/test_corpora_over_http.py"),
    "drift": drift_row,
    "workers": tests_row("service/test_lost_workers.py"),
    "deadline": deadline_row,
    "server": tests_row("service/test_killed_server.py"),
    "models": tests_row("service/test_damaged_models.py"),
    "disks": tests_row("service/test_full_disks.py"),
    "leaving": leaving_row,
    "silent": silent_row,
    "readers": readers_row,
    "stopping": stopping_row,
    "openapi": tests_row("service/test_openapi_fuzz.py"),
    "gate": tests_row("service/test_any_picture.py"),
    "streams": streams_row,
    "turns": turns_row,
    "strokes": strokes_row,
    "files": files_row,
    "stores": tests_row("jobs/test_damaged_store.py"),
    "settings": tests_row("contract/test_settings.py", "api/test_startup.py"),
    "names": tests_row("api/middleware/test_origins.py", "api/middleware/test_proxies.py", "test_deploy.py"),
    "terminal": tests_row("commands/test_streams.py", "service/test_private_files.py"),
    "planted": tests_row("folders/batch/test_planted.py", "contract/test_confined_folder.py"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; by default all")
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="the reference folder")
    parser.add_argument("--minutes", type=float, default=6.0, help="the longest that clients go on asking")
    parsed = parser.parse_args()
    if unknown := set(parsed.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    os.environ["MATTEMESH_SHARED"] = str(parsed.shared)
    failed = 0
    print("| test | figure | limit | pass |\n|---|---|---|---|")
    for name in parsed.rows or ROWS:
        for row in ROWS[name](parsed.minutes):
            failed += not row.passed
            print(f"| {row.name} | {row.figure} | {row.limit} | {'yes' if row.passed else 'NO'} |", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
