"""Event streams never end by themselves: how many there may be, and what they leave to others."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.waiting import until
from tests.helpers.wire import Served, heard, problem_of, served, status_of, upload

KEY = "X-API-Key: one\r\n"


def waiting_job(service: Served, extra: str = "") -> str:
    """Hand in a job, which the stub runner's lanes without capacity let wait for ever; return its address."""
    head, body = upload(100, f"Connection: close\r\n{extra}", "/jobs?kind=remove-bg")
    answer = service.say(head, body)
    assert status_of(answer) == 202
    return next(line for line in answer.decode().split("\r\n") if line.lower().startswith("location:")).split()[1]


def listen(service: Served, job: str, extra: str = "") -> socket.socket:
    """Open a stream and return its connection when the first event has come."""
    line = service.connect()
    line.sendall(f"GET {job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}\r\n".encode())
    read = b""
    while b"event: state" not in read:
        piece = line.recv(4096)
        assert piece, read
        read += piece
    assert status_of(read) == 200
    return line


def opened(service: Served) -> int:
    return sum(service.app.state.streams._open.values())


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, max_connections=3) as service:
        yield service


def test_streams_make_way_for_requests_oldest_first(crowded: Served) -> None:
    job = waiting_job(crowded)
    until(lambda: not crowded.server.server_state.connections)
    streams = [listen(crowded, job) for _ in range(3)]
    assert [status_of(crowded.get(path)) for path in ("/healthz", "/readyz", "/jobs")] == [200, 200, 200]
    assert heard(streams[0]) == b""
    until(lambda: opened(crowded) == 2)
    resumed = listen(crowded, job)  # takes the room that the request has left
    until(lambda: opened(crowded) == 3)
    for line in [*streams, resumed]:
        line.close()
    until(lambda: opened(crowded) == 0)


def test_an_idle_connection_goes_before_a_stream(crowded: Served) -> None:
    job = waiting_job(crowded)
    until(lambda: not crowded.server.server_state.connections)
    stream, idle = listen(crowded, job), [crowded.connect() for _ in range(2)]
    until(lambda: len(crowded.server.server_state.connections) == 3)
    assert status_of(crowded.get("/jobs")) == 200
    assert heard(idle[0]) == b""
    assert opened(crowded) == 1
    for line in (stream, *idle):
        line.close()


def test_where_all_connections_are_busy_probes_are_still_answered_and_the_rest_refused(crowded: Served) -> None:
    head, _ = upload(1000)
    busy = [crowded.connect() for _ in range(3)]
    for line in busy:
        line.sendall(head)
    until(lambda: crowded.app.state.uploads.requests == len(busy))
    for _ in range(20):  # each gives its place back
        assert status_of(crowded.get("/healthz")) == 200
        assert status_of(crowded.get("/readyz")) == 200
    probe = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert b"connection: close" in crowded.say(probe).lower()  # such a connection is no way to more
    for answer in (crowded.get("/jobs"), crowded.say(*upload(1000))):
        assert problem_of(answer)["code"] == "overloaded" and b"connection: close" in answer.lower()
    for line in busy:
        line.close()
    until(lambda: not crowded.server.server_state.connections)
    assert status_of(crowded.get("/jobs")) == 200


def test_silent_connections_do_not_take_the_places_of_probes(crowded: Served) -> None:
    head, _ = upload(1000)
    busy = [crowded.connect() for _ in range(3)]
    for line in busy:
        line.sendall(head)
    until(lambda: crowded.app.state.uploads.requests == len(busy))
    silent = [crowded.connect() for _ in range(30)]
    assert status_of(crowded.get("/healthz")) == 200
    for line in [*busy, *silent]:
        line.close()


def test_a_client_has_a_few_streams_and_another_has_its_own(tmp_path: Path) -> None:
    with served(tmp_path, max_streams_per_client=2, api_key="one,two") as service:
        job = waiting_job(service, KEY)
        streams = [listen(service, job, KEY) for _ in range(2)]
        more = f"GET {job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        refused = service.say(f"{more}{KEY}\r\n".encode())
        assert problem_of(refused)["code"] == "overloaded" and problem_of(refused)["limit"] == 2
        other = listen(service, job, KEY.replace("one", "two"))
        streams.pop().close()
        until(lambda: opened(service) == 2)
        again = listen(service, job, KEY)
        for line in [*streams, other, again]:
            line.close()
        until(lambda: opened(service) == 0)
