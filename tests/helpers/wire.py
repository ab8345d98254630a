"""A real server on a real socket, with work that takes as long as a test wants, and a client that says raw bytes."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from backend.api.server.process import Server, server_of
from backend.contract.errors import OverloadedError
from backend.contract.runner import LaneStatus, RunnerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, File, Work
from backend.main import create_app
from tests.helpers.waiting import PATIENCE_S, until

BOUNDARY = "edge"
PART = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()
FORM_TYPE = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"


@dataclass
class StubRunner:
    """A runner that answers `answer`, once it is not `held` any more."""

    held: bool = False
    answer: bytes = b"done"
    why: str = ""
    running: int = 0
    full: bool = False
    seen: list[Work] = field(default_factory=list)

    async def run(self, work: Work, on_stage: Any = None) -> Done:
        self.running += 1
        self.seen.append(work)
        try:
            while self.held:
                await asyncio.sleep(0.01)
        finally:
            self.running -= 1
        return Done((File("mask.png", "image/png", self.answer),))

    def admit(self, lane: str, client: str) -> None:
        if self.full:
            raise OverloadedError("Full.")

    def start(self) -> None:
        pass

    def status(self) -> RunnerStatus:
        lanes = tuple(LaneStatus(lane, 0, 0, 0, 0) for lane in ("mask", "mesh"))  # that take no job
        return RunnerStatus(not self.why, self.why, lanes, ())

    def close(self) -> None:
        pass


@dataclass
class Served:
    """A running server."""

    app: FastAPI
    server: Server
    runner: StubRunner
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def say(self, *pieces: bytes) -> bytes:
        """Return all that the server says on a connection of its own, until it closes it."""
        with self.connect() as line:
            for piece in pieces:
                line.sendall(piece)
            return heard(line)

    def get(self, path: str) -> bytes:
        return self.say(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())


@contextlib.contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    """Serve on a free port of this machine until the block ends."""
    folders = {"checkpoints_dir": folder, "logs_dir": folder / "logs", "data_dir": folder / "data"}
    runner = StubRunner()
    app = create_app(Settings(**{**folders, "cache_bytes": 0, "drain_s": 0, **settings}), runner)
    server = server_of(app, app.state.settings, app.state.stopping, "127.0.0.1", 0, app.state.metrics.refused)
    listening = server.config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until(lambda: server.started)
        yield Served(app, server, runner, listening.getsockname()[1])
    finally:
        app.state.stopping.hurried = True
        server.should_exit = server.force_exit = True
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def heard(line: socket.socket) -> bytes:
    """Return what comes until the other side closes; a reset ends it too."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem_of(answer: bytes) -> dict[str, Any]:
    """Return the problem in a raw answer, which has to be one."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    problem: dict[str, Any] = json.loads(body)
    assert problem["status"] == status_of(answer)
    return problem


def upload(size: int, extra: str = "", path: str = "/remove-bg") -> tuple[bytes, bytes]:
    """Return head and body of a form with one file of `size` bytes."""
    body = PART + b"x" * size + END
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM_TYPE}Content-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode(), body
