"""The service as a person runs it, in a process of its own, seen from outside: what it answers and what it holds."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from backend.contract.settings import REPOSITORY
from tests.helpers.waiting import PATIENCE_S, until

BOUNDARY = "0f3c9be1a8d24e57"
START_S = 120.0  # for loading everything beside what else a machine does
CHECKOUT = (sys.executable, "-m", "backend")
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Answer:
    """An answer, and its time from the first byte sent."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; "ok" for what is none."""
        is_problem = self.headers.get("content-type") == "application/problem+json"
        return str(self.json()["code"]) if is_problem else "ok"

    @property
    def outcome(self) -> tuple[int, str]:
        return self.status, self.code


@dataclass(frozen=True)
class Held:
    """Memory, files and threads of one process."""

    rss_bytes: int
    files: int
    threads: int


@dataclass
class RealService:
    """The service as `program` starts it in `cwd`. `settings` are its environment; its folders are under `folder`."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = CHECKOUT
    cwd: Path = REPOSITORY

    def __post_init__(self) -> None:
        self.port = free_port()
        for name in ("data", "logs", "checkpoints", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes]

    def start(self, ready: bool = True) -> None:
        """Start it (again) and wait until it answers, or until it is `ready`."""
        folders = {
            "DATA_DIR": "data",
            "LOGS_DIR": "logs",
            "CHECKPOINTS_DIR": "checkpoints",
            "TMPDIR": "tmp",
        }
        own = {name: str(self.folder / path) for name, path in folders.items()}
        own |= {"DRAIN_S": "0.1", "CACHE_BYTES": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*self.program, "serve", "--no-fetch", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.cwd,
                env={**os.environ, **own, **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.until(lambda: self._answers("/readyz" if ready else "/healthz"), START_S)

    def _answers(self, path: str) -> bool:
        assert self.process.poll() is None, f"the service did not start: {self.output()[-3000:]}"
        return self.get(path).status == 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    # Talking to it.

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 120.0,
    ) -> Answer:
        """Return the answer to one request on a connection of its own; status 0 where nothing listens."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        began = time.monotonic()
        try:
            line.request(method, path, body, dict(headers or {}))
            answer = line.getresponse()
            data = answer.read()
        except (ConnectionError, http.client.RemoteDisconnected):
            return Answer(0, {}, b"", time.monotonic() - began)
        finally:
            line.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, data, time.monotonic() - began)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, files: Files, **options: str) -> Answer:
        body, headers = form(files, **options)
        return self.ask("POST", path, body, headers)

    def mask(self, photo: bytes, **options: str) -> Answer:
        """Ask for a mask of `photo`, by the stub network in little time unless the options say otherwise."""
        return self.post("/remove-bg", {"file": photo}, **{"model": "stub", "quality": "fast", **options})

    def hand_in(self, photo: bytes, kind: str = "remove-bg", **options: str) -> dict[str, Any]:
        """Hand in a job and return its document."""
        answer = self.post("/jobs", {"file": photo}, kind=kind, **{"model": "stub", "quality": "fast", **options})
        assert answer.status == 202, answer
        return dict(answer.json())

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.get(f"/jobs/{job_id}").json())

    def ended(self, job_id: str) -> dict[str, Any]:
        """Return the job's document once it has come to an end."""
        self.until(lambda: self.job(job_id)["finished_at"] is not None)
        return self.job(job_id)

    # Looking into it.

    def lane(self, name: str = "mask") -> dict[str, Any]:
        return next(row for row in self.get("/health").json()["lanes"] if row["lane"] == name)

    def worker(self, lane: str = "mask") -> dict[str, Any]:
        return next(row for row in self.get("/health").json()["workers"] if row["lane"] == lane)

    def uploads(self) -> int:
        """Return how many requests with a body are inside."""
        lines = self.get("/metrics").body.decode().splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith("mattemesh_uploads "))))

    def processes(self) -> dict[str, int]:
        """Return the pids of the server and of its workers, by name."""
        return {"server": self.pid, **{row["lane"]: row["pid"] for row in self.get("/health").json()["workers"]}}

    def held(self) -> dict[str, Held]:
        """Return what each process holds."""
        return {name: held_by(pid) for name, pid in self.processes().items() if pid}

    def left_over(self) -> list[str]:
        """Return the files that stay in its temporary folder and among what jobs have half written: what goes while
        this waits is not left over, as a job has ended before its photo is removed."""
        places = [self.folder / "tmp", self.folder / "data" / "jobs" / "partial"]
        left: list[str] = []

        def is_empty() -> bool:
            left[:] = [str(path) for place in places if place.is_dir() for path in place.iterdir()]
            return not left

        with suppress(AssertionError):
            until(is_empty)
        return left

    @contextmanager
    def stopped(self, lane: str = "mask") -> Iterator[int]:
        """Hold the lane's worker still: what it has begun and what waits for it stays as it is."""
        pid = self.worker(lane)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)

    def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> float:
        """Wait for `condition` and return the seconds it took; AssertionError when it does not come."""
        began = time.monotonic()
        until(condition, timeout_s, why=lambda: self.output()[-3000:])
        return time.monotonic() - began

    def idle(self) -> bool:
        lanes = self.get("/health").json()["lanes"]
        return all(row["waiting"] == row["running"] == 0 for row in lanes) and self.get("/readyz").status == 200

    # Ending it.

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def terminate(
        self, number: signal.Signals = signal.SIGTERM, meanwhile: Callable[[], object] = lambda: None
    ) -> tuple[int, list[int]]:
        """Send a signal that asks it to stop, and return the exit status and the pids that live on."""
        children = self.children()
        self.process.send_signal(number)
        meanwhile()
        return self.process.wait(PATIENCE_S), living(children)

    def kill(self) -> list[int]:
        """kill -9, and return the pids of its children that live on."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        with suppress(AssertionError):
            until(lambda: not living(children))
        return living(children)

    def end(self) -> None:
        """End it whatever state it is in."""
        if self.process.poll() is None:
            for child in self.children():
                child.kill()
            self.process.kill()
        self.process.wait()


@contextmanager
def running(
    folder: Path,
    prepare: Callable[[Path], None] | None = None,
    program: Sequence[str] = CHECKOUT,
    cwd: Path = REPOSITORY,
    ready: bool = True,
    **settings: str,
) -> Iterator[RealService]:
    """A service until the block ends, that is `ready` or else only answers; `prepare` fills its checkpoints folder
    first."""
    service = RealService(folder, settings, program, cwd)
    if prepare is not None:
        prepare(folder / "checkpoints")
    try:
        service.start(ready)
        yield service
    finally:
        service.end()
        shutil.rmtree(folder / "tmp", ignore_errors=True)


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def form(files: Files, **options: str) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body and its headers, which are the same for all."""
    parts = []
    for name, data in files.items():
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode())
        parts.append(data + b"\r\n")
    for name, value in options.items():
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    parts.append(f"--{BOUNDARY}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def held_by(pid: int) -> Held:
    process = psutil.Process(pid)
    return Held(process.memory_info().rss, process.num_fds(), process.num_threads())


def living(processes: list[psutil.Process]) -> list[int]:
    """Return the pids of those that still run; who waits to be reaped does not."""
    return [one.pid for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
