"""Incidents on purpose: clients that leave, workers and services that are killed, work that never ends."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psutil

from tests.helpers.drawn import encoded, toy
from tests.helpers.real_service import Answer, RealService, form
from tests.helpers.waiting import PATIENCE_S
from tests.helpers.wire import heard

PHOTO = encoded(toy()[0])
Moment = Literal["uploading", "queued", "running", "downloading"]
MOMENTS: tuple[Moment, ...] = ("uploading", "queued", "running", "downloading")


@contextmanager
def asking(service: RealService, photo: bytes = PHOTO, path: str = "/remove-bg", **options: str) -> Iterator[Any]:
    """A request under way in a thread; calling what is yielded waits for its answer."""
    answers: list[Answer] = []
    options = {"model": "stub", "quality": "fast", **options}
    thread = threading.Thread(target=lambda: answers.append(service.post(path, {"file": photo}, **options)))
    thread.start()

    def answer() -> Answer:
        thread.join(120)
        return answers[0]

    try:
        yield answer
    finally:
        thread.join(120)


def line_to(service: RealService, body: bytes, headers: dict[str, str], said: int | None = None) -> socket.socket:
    """Return a connection with small buffers on which a mask was asked for, and `said` bytes of the body sent."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", service.port))
    head = f"POST /remove-bg HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    line.sendall(head.encode() + body[:said])
    return line


def leave(service: RealService, moment: Moment) -> float:
    """Have a client leave at `moment` and return the seconds until nothing of it is inside."""
    if moment == "downloading":
        return _leave_while_downloading(service)
    request = form({"file": PHOTO}, model="stub", quality="fast")
    if moment == "uploading":
        line = line_to(service, *request, said=len(request[0]) // 2)
        service.until(lambda: service.uploads() == 1)
        line.close()
        return service.until(lambda: service.uploads() == 0)
    with service.stopped(), asking(service) if moment == "queued" else _nothing():
        if moment == "queued":
            service.until(lambda: service.lane()["running"] == 1)
        line = line_to(service, *request)
        count = "waiting" if moment == "queued" else "running"
        service.until(lambda: service.lane()[count] == 1)
        line.close()
        seconds = service.until(lambda: service.lane()[count] == 0)
        if moment == "queued":  # let the other one end
            os.kill(service.worker()["pid"], signal.SIGCONT)
    return seconds


def _leave_while_downloading(service: RealService) -> float:
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), np.uint8)
    own_mask = encoded(np.full((1200, 1600), 255, np.uint8))

    def is_there() -> bool:
        return any(one.raddr and one.raddr.port == port for one in psutil.Process(service.pid).net_connections())

    with line_to(service, *form({"file": encoded(noise), "mask": own_mask}, output="cutout")) as line:
        port = line.getsockname()[1]
        assert line.recv(12) == b"HTTP/1.1 200"
        assert is_there()  # some of its megabytes are still on their way
    return service.until(lambda: not is_there())


@contextmanager
def _nothing() -> Iterator[None]:
    yield


STOPPED_WHILE = ("idle", "job running", "half-sent upload", "full queue", "all")


@dataclass(frozen=True)
class Busy:
    """Work under way in a service: connections without an answer yet, and jobs."""

    lines: list[socket.socket]
    jobs: list[str]

    def answers(self) -> list[bytes]:
        """Return what each connection is answered until it closes."""
        found = []
        for line in self.lines:
            with line:
                line.settimeout(PATIENCE_S)
                found.append(heard(line))
        return found


def busy(service: RealService, case: str) -> Busy:
    """Bring the service into one of the states of STOPPED_WHILE."""
    request = form({"file": PHOTO}, model="stub", quality="fast")
    lines, jobs = [], []
    if case in ("half-sent upload", "all"):
        lines.append(line_to(service, *request, said=len(request[0]) // 2))
        service.until(lambda: service.uploads() == 1)
    if case in ("job running", "all"):
        jobs = [service.hand_in(PHOTO, model="stuck")["id"], service.hand_in(PHOTO, feather_px="1")["id"]]
        service.until(lambda: service.job(jobs[0])["state"] == "running")
    if case in ("full queue", "all"):
        stuck = form({"file": PHOTO}, model="stuck", quality="fast")
        before = service.lane()["running"] + service.lane()["waiting"]
        places = service.lane()["max_waiting"] + 1 - before
        lines += [line_to(service, *stuck) for _ in range(places)]
        service.until(lambda: service.lane()["running"] + service.lane()["waiting"] == places + before)
        assert service.mask(PHOTO).outcome == (503, "overloaded")
    return Busy(lines, jobs)


@dataclass(frozen=True)
class Loss:
    """The answer to work whose worker was lost or hung, and the wait of the next one."""

    answer: Answer
    next_answer: Answer


def lose_worker(service: RealService, number: signal.Signals) -> Loss:
    """Have the mask worker ended by a signal in the middle of a native call."""
    with asking(service, model="stuck") as answer:
        service.until(lambda: service.lane()["running"] == 1)
        os.kill(service.worker()["pid"], number)
        lost = answer()
    return Loss(lost, service.mask(PHOTO))


def hang_worker(service: RealService, how: Literal["native", "stopped"]) -> Loss:
    """Have the mask worker never come back, from a native call or from the scheduler."""
    if how == "native":
        hung = service.mask(PHOTO, model="stuck")
    else:
        os.kill(service.worker()["pid"], signal.SIGSTOP)
        hung = service.mask(PHOTO)
    return Loss(hung, service.mask(PHOTO))
