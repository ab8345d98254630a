"""SIGTERM and Ctrl-C: said first, nothing new taken, what was begun ended, and the process gone in time."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from tests.helpers.drawn import encoded, toy
from tests.helpers.wire import END, PART, heard, problem_of, served, status_of, until, upload


def test_readiness_turns_first_while_the_service_still_listens_and_ends_what_it_has_begun(tmp_path: Path) -> None:
    with served(tmp_path, drain_s=1) as service:
        assert status_of(service.get("/readyz")) == 200
        service.runner.seconds = 1.5
        with service.connect() as begun:
            begun.sendall(b"".join(upload(1000)))
            until(lambda: service.runner.running == 1)
            service.server.handle_exit(signal.SIGTERM, None)
            assert problem_of(service.get("/readyz"))["code"] == "not-ready"
            assert status_of(service.get("/healthz")) == 200
            refused = service.say(*upload(1000))
            assert problem_of(refused)["code"] == "not-ready"
            assert b"connection: close" in refused
            assert b"retry-after" in refused
            assert service.server.started
            assert status_of(heard(begun)) == 200


def test_the_reason_for_not_being_ready_is_told(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        service.runner.why = "The mask worker warms up."
        problem = problem_of(service.get("/readyz"))
        assert (problem["status"], problem["code"], problem["detail"]) == (503, "not-ready", service.runner.why)
        assert status_of(service.get("/healthz")) == 200


def test_what_does_not_end_in_time_is_told_so_and_is_no_fault(tmp_path: Path) -> None:
    with served(tmp_path, stop_deadline_s=1) as service:
        service.runner.seconds = 60
        with service.connect() as begun, service.connect() as half:
            begun.sendall(b"".join(upload(1000)))
            half.sendall(upload(1000)[0] + PART)
            until(lambda: service.app.state.uploads.requests == 2 and service.runner.running == 1)
            service.server.handle_exit(signal.SIGTERM, None)
            assert problem_of(heard(begun))["code"] == "not-ready"
            assert problem_of(heard(half))["code"] == "not-ready"
        until(lambda: service.runner.running == 0)


def test_a_second_signal_waits_for_nothing(tmp_path: Path) -> None:
    with served(tmp_path, drain_s=20, stop_deadline_s=20) as service:
        service.runner.seconds = 60
        with service.connect() as begun:
            begun.sendall(b"".join(upload(1000)))
            until(lambda: service.runner.running == 1)
            start = time.monotonic()
            service.server.handle_exit(signal.SIGINT, None)
            service.server.handle_exit(signal.SIGINT, None)
            heard(begun)
            until(lambda: service.runner.running == 0)
        assert time.monotonic() - start < 2


@contextmanager
def process(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A service in a process of its own that answers, and its port; killed in the end whatever happens."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    folders = {"CHECKPOINTS_DIR": folder, "LOGS_DIR": folder / "logs", "DATA_DIR": folder / "data"}
    command = [sys.executable, "-m", "backend", "serve", "--no-fetch", "--port", str(port)]
    server = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={"PATH": "", "DRAIN_S": "0.2", **{name: str(value) for name, value in folders.items()}, **environment},
        stderr=(folder / "stderr").open("wb"),
    )
    try:
        until(lambda: b" 200 " in said(port, b"GET /healthz HTTP/1.0\r\n\r\n"), 60)
        yield server, port
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()


def said(port: int, request: bytes) -> bytes:
    """Return the answer to `request`, nothing where nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), 60) as line:
            line.sendall(request)
            return heard(line)
    except ConnectionRefusedError:
        return b""


def stops(server: subprocess.Popen[bytes], sig: int, most_s: float) -> None:
    """Assert that `sig` ends the process, as one that has not failed and within `most_s`."""
    server.send_signal(sig)
    assert server.wait(most_s) == 0


def photo_form(kind: str) -> bytes:
    body = PART + encoded(toy()[0]) + END
    head = upload(0, path=kind)[0].split(b"Content-Length")[0]
    return head + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@pytest.mark.slow
def test_an_idle_service_ends_at_once(tmp_path: Path) -> None:
    with process(tmp_path) as (server, port):
        until(lambda: b" 200 " in said(port, b"GET /readyz HTTP/1.0\r\n\r\n"), 60)
        with socket.create_connection(("127.0.0.1", port)):  # a connection without a request holds nothing up
            stops(server, signal.SIGTERM, 5)
        assert b"Traceback" not in (tmp_path / "stderr").read_bytes()


def test_ctrl_c_in_mid_upload_ends_the_service_when_the_upload_has_lost_its_patience(tmp_path: Path) -> None:
    with process(tmp_path, UPLOAD_PATIENCE_S="1", LOG_FORMAT="json") as (server, port):
        said(port, upload(4)[0] + b"odd!")  # a form that cannot be read
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(upload(1_000_000)[0] + PART)
            time.sleep(0.3)
            stops(server, signal.SIGINT, 8)
            assert problem_of(heard(line))["status"] in (408, 503)
        told = (tmp_path / "stderr").read_bytes()
        assert b"Traceback" not in told
        assert all(json.loads(line)["level"] for line in told.splitlines())  # LOG_FORMAT holds for all that is told


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "requests"), [("/generate-mesh", 1), ("/remove-bg", 8)])
def test_running_and_waiting_work_is_ended_or_told_within_the_time_for_it(
    tmp_path: Path, kind: str, requests: int
) -> None:
    with process(tmp_path, MAX_WAITING="6") as (server, port):
        until(lambda: b" 200 " in said(port, b"GET /readyz HTTP/1.0\r\n\r\n"), 60)
        answers: list[bytes] = []
        asking = [
            threading.Thread(target=lambda: answers.append(said(port, photo_form(kind)))) for _ in range(requests)
        ]
        for thread in asking:
            thread.start()
        time.sleep(0.5)
        stops(server, signal.SIGTERM, 30)
        for thread in asking:
            thread.join(5)
        assert {status_of(answer) for answer in answers} <= {200, 503}
        assert len(answers) == requests
        assert b"Traceback" not in (tmp_path / "stderr").read_bytes()


@pytest.mark.slow
def test_ctrl_c_while_libraries_load_ends_the_process_whenever_it_comes(tmp_path: Path) -> None:
    for tenths in range(1, 36, 2):
        command = [sys.executable, "-m", "backend", "serve", "--no-fetch", "--port", "0"]
        settings = {"PATH": "", "DRAIN_S": "0", "LOGS_DIR": str(tmp_path), "DATA_DIR": str(tmp_path)}
        server = subprocess.Popen(command, cwd=REPOSITORY, env=settings, stderr=subprocess.DEVNULL)
        time.sleep(tenths / 10)
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(10) in (0, -signal.SIGINT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            pytest.fail(f"Ctrl-C {tenths / 10} s after the start was not heard")
