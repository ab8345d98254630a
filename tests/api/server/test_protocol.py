"""Slow, malformed and half-finished requests over raw sockets."""

import socket
import time
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers.waiting import PATIENCE_S, until
from tests.helpers.wire import END, FORM_TYPE, PART, Served, heard, problem_of, served, status_of, upload

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("service")
    with served(folder, head_deadline_s=0.5, answer_patience_s=0.5, max_upload_bytes=1_000_000) as service:
        yield service


def test_an_unfinished_head_gets_a_408_and_the_connection_is_closed(service: Served) -> None:
    assert problem_of(service.say(HEAD))["code"] == "request-too-slow"


def test_bytes_that_trickle_do_not_buy_a_head_more_time(service: Served) -> None:
    with service.connect() as line:
        line.settimeout(0.05)
        answer = b""

        def trickle() -> bytes:
            nonlocal answer
            line.sendall(b"a")
            with suppress(TimeoutError):
                answer = line.recv(4096)
            return answer

        until(trickle)
    assert status_of(answer) == 408


def test_a_silent_connection_is_closed_without_a_word(service: Served) -> None:
    assert service.say() == b""


def test_an_idle_connection_is_kept_longer_than_a_head_may_take_and_serves_again(service: Served) -> None:
    with service.connect() as line:
        for pause_s in (0.8, 0):
            line.sendall(HEAD + b"\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"alive"}'):
                answer += line.recv(4096)
            time.sleep(pause_s)
        line.sendall(b"GET /hea")
        assert status_of(heard(line)) == 408


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def test_a_chunked_upload_is_read_whatever_its_chunks_within_reason(service: Served) -> None:
    head = (
        b"POST /remove-bg HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        + FORM_TYPE.encode()
    )
    body = PART + bytes(range(256)) * 1000 + END
    for size in (150, 1000, 70_000, len(body)):
        assert status_of(service.say(head + b"\r\n" + chunked(body, size))) == 200
    assert status_of(service.say(head + b"\r\n" + chunked(PART + b"a" + END, 4))) == 200  # a small form may


def test_a_body_in_crumbs_is_refused_before_it_holds_up_others(service: Served) -> None:
    head = b"POST /remove-bg HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n" + FORM_TYPE.encode()
    service.runner.seen.clear()
    answer = service.say(head + b"\r\n" + chunked(PART + bytes(500_000), 1))
    assert problem_of(answer)["code"] == "bad-request"
    assert service.runner.seen == []
    assert status_of(service.get("/healthz")) == 200


def test_a_host_that_is_no_name_is_logged_like_any_other(service: Served, caplog: pytest.LogCaptureFixture) -> None:
    assert status_of(service.say(b"GET /healthz HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n")) == 200
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,  # TLS
        b"nonsense\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /heal thz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /h\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",  # no Host
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        HEAD + b"A: " + b"x" * 1_000_000 + b"\r\n\r\n",
        HEAD + b"A: x\x00y\r\n\r\n",
        HEAD + b"A : x\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: 1, 2\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_a_problem_and_no_more(service: Served, said: bytes) -> None:
    assert problem_of(service.say(said))["code"] == "bad-request"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"BREW /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 200),
        (HEAD + b"Connection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_odd_requests_are_answered_like_any_other(service: Served, said: bytes, status: int) -> None:
    assert status_of(service.say(said)) == status


def test_two_requests_at_once_are_answered_in_their_order(service: Served) -> None:
    second = b"GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answers = service.say(HEAD + b"\r\n" + second)
    assert answers.startswith(b"HTTP/1.1 200")
    assert answers.count(b"HTTP/1.1 404") == 1


def test_a_request_with_two_lengths_is_the_last_of_its_connection(service: Served) -> None:
    head = f"POST /remove-bg HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM_TYPE}Content-Length: 4\r\n"
    answer = service.say(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEAD + b"\r\n")
    assert status_of(answer) == 422
    assert b'"alive"' not in answer


def test_a_body_cut_by_a_broken_chunk_is_refused(service: Served) -> None:
    head = f"POST /remove-bg HTTP/1.1\r\nHost: 127.0.0.1\r\n{FORM_TYPE}Transfer-Encoding: chunked\r\n\r\n".encode()
    answer = service.say(head + b"%x\r\n%s\r\n" % (len(PART), PART), b"no size\r\n")
    assert problem_of(answer)["code"] == "bad-request"


def test_a_client_that_expects_100_continue_gets_it(service: Served) -> None:
    head, body = upload(1000, "Expect: 100-continue\r\nConnection: close\r\n")
    with service.connect() as line:
        line.sendall(head)
        assert line.recv(4096).startswith(b"HTTP/1.1 100")
        line.sendall(body)
        assert status_of(heard(line)) == 200


def test_a_client_that_asks_first_learns_of_a_limit_before_it_sends(service: Served) -> None:
    head, _ = upload(5_000_000, "Expect: 100-continue\r\n")
    assert problem_of(service.say(head))["code"] == "upload-too-large"


def test_a_sender_that_never_looks_up_can_still_read_why_it_was_refused(service: Served) -> None:
    head, body = upload(30_000_000)
    assert problem_of(service.say(head, body))["code"] == "upload-too-large"


def test_the_rest_of_an_unwanted_body_is_not_waited_for(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.api.server.protocol.LINGER_S", 10 * PATIENCE_S)  # longer than the client listens
    head, _ = upload(5_000_000)
    assert b"connection: close" in service.say(head, b"x" * 1000)


def test_a_client_that_does_not_take_its_answer_is_given_up(service: Served) -> None:
    service.runner.answer = b"x" * 30_000_000
    until(lambda: not service.server.server_state.connections)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", service.port))
        for piece in upload(10):
            line.sendall(piece)
        assert line.recv(10) == b"HTTP/1.1 2"
        assert service.get("/healthz").startswith(b"HTTP/1.1 200")
        until(lambda: not service.server.server_state.connections)


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(tmp_path: Path) -> None:
    with served(tmp_path, answer_patience_s=1.5) as service, socket.socket() as line:
        service.runner.answer = b"x" * 8_000_000
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        line.connect(("127.0.0.1", service.port))
        for piece in upload(10, "Connection: close\r\n"):
            line.sendall(piece)
        taken = 0
        while piece := line.recv(400_000):
            taken += len(piece)
            time.sleep(0.02)  # in all longer than the patience
    assert taken > 8_000_000


def test_a_slow_and_steady_client_is_served_while_the_buffer_of_the_kernel_takes_nothing(tmp_path: Path) -> None:
    with served(tmp_path, answer_patience_s=0.3, min_bytes_per_s=100_000) as service, socket.socket() as line:
        service.runner.answer = b"x" * 5_000_000
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        line.connect(("127.0.0.1", service.port))
        for piece in upload(10, "Connection: close\r\n"):
            line.sendall(piece)
        taken = 0
        while piece := receive(line, 20_000):
            taken += len(piece)
            time.sleep(0.02)  # about ten times the lowest rate
    assert taken > 5_000_000


def test_beyond_the_most_connections_the_longest_idle_one_makes_way(tmp_path: Path) -> None:
    with served(tmp_path, max_connections=3) as service:
        lines = [service.connect() for _ in range(3)]
        until(lambda: len(service.server.server_state.connections) == 3)
        assert status_of(service.get("/healthz")) == 200
        assert heard(lines[0]) == b""
        head, _ = upload(1000)
        busy = [service.connect() for _ in range(3)]
        for line in busy:
            line.sendall(head)
        until(lambda: service.app.state.uploads.requests == len(busy))
        assert problem_of(service.get("/jobs"))["code"] == "overloaded"
        for line in [*lines, *busy]:
            line.close()
        until(lambda: not service.server.server_state.connections)
        assert status_of(service.get("/healthz")) == 200


def test_a_client_is_served_beside_five_hundred_silent_or_trickling_connections(tmp_path: Path) -> None:
    limits = {"head_deadline_s": 10 * PATIENCE_S, "upload_patience_s": 10 * PATIENCE_S}
    with served(tmp_path, max_connections_per_address=1000, **limits) as service:
        lines = [service.connect() for _ in range(500)]
        head, _ = upload(100_000)
        for number, line in enumerate(lines[:400]):  # the other hundred say nothing
            line.sendall(head if number % 2 else head[:20])
        for line in lines[:400]:
            line.sendall(b"-")
        until(lambda: service.app.state.uploads.requests == 200)
        for _ in range(5):
            assert status_of(service.say(*upload(50_000, "Connection: close\r\n"))) == 200
        assert service.app.state.uploads.requests == 200
        for line in lines:
            line.close()


def test_one_address_may_open_so_many_connections_and_more_get_probes_alone(tmp_path: Path) -> None:
    with served(tmp_path, max_connections_per_address=3) as service:
        lines = [service.connect() for _ in range(3)]
        until(lambda: len(service.server.server_state.connections) == 3)
        assert problem_of(service.get("/health"))["code"] == "overloaded"
        assert status_of(service.get("/healthz")) == 200
        lines[0].close()
        until(lambda: len(service.server.server_state.connections) == 2)
        assert status_of(service.get("/health")) == 200
        for line in lines:
            line.close()


def test_a_trusted_proxy_may_open_as_many_as_there_are(tmp_path: Path) -> None:
    proxies = ("127.0.0.0/8",)
    with served(
        tmp_path, max_connections_per_address=1, trusted_proxies=proxies, allowed_hosts=("127.0.0.1",)
    ) as service:
        lines = [service.connect() for _ in range(3)]
        until(lambda: len(service.server.server_state.connections) == 3)
        assert status_of(service.get("/health")) == 200
        for line in lines:
            line.close()


def test_an_answer_has_to_be_read_by_its_deadline_however_steadily(tmp_path: Path) -> None:
    limits = {"answer_patience_s": 0.1, "min_bytes_per_s": 1, "answer_deadline_s": 0.5}
    with served(tmp_path, **limits) as service:
        service.runner.answer = bytes(50_000_000)
        with service.connect() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(b"".join(upload(1000)))
            received = 0
            while service.app.state.answers.held_bytes or not received:  # steadily, until the service gives up
                received += len(receive(line, 1000))
        assert 0 < received < 50_000_000


def receive(line: socket.socket, most: int) -> bytes:
    """Return up to `most` bytes; nothing once the other side has gone."""
    try:
        return line.recv(most)
    except ConnectionResetError:
        return b""


def test_a_large_chunk_may_hold_any_number_of_line_ends(service: Served) -> None:
    head = (
        b"POST /remove-bg HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        + FORM_TYPE.encode()
    )
    body = PART + b"\r\n" * 60_000 + END
    for size in (20_000, len(body)):
        assert status_of(service.say(head + b"\r\n" + chunked(body, size))) == 200


def test_small_chunks_are_refused_wherever_they_begin(service: Served) -> None:
    head = b"POST /remove-bg HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n" + FORM_TYPE.encode()
    large = PART + bytes(200_000)
    answer = service.say(head + b"\r\n" + chunked(large, 50_000).removesuffix(b"0\r\n\r\n"), chunked(bytes(50_000), 2))
    problem = problem_of(answer)
    assert (problem["code"], problem["detail"]) == ("bad-request", "The chunks of the body are too small.")


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1/healthz", "127.0.0.1", 200),
        ("HTTP://localhost:8000/healthz?a=b", "127.0.0.1", 200),
        ("http://localhost", "127.0.0.1", 200),
        ("http://localhost?a=b", "127.0.0.1", 200),
        ("http://localhost/models", "evil.example", 200),  # the target's host takes precedence
        ("http://evil.example/models", "localhost", 421),
        ("http://localhost/no", "localhost", 404),
        ("ftp://localhost/healthz", "localhost", 404),
    ],
)
def test_a_target_may_be_a_whole_address(service: Served, target: str, host: str, status: int) -> None:
    answer = service.say(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) == status


@pytest.mark.parametrize(
    ("said", "status"),
    [(HEAD, 408), (b"nonsense\r\n\r\n", 400), (b"GET /h\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400)],
)
def test_what_the_protocol_refuses_is_counted(service: Served, said: bytes, status: int) -> None:
    row = f'mattemesh_http_requests_total{{method="other",route="other",status="{status}"}} '.encode()

    def count() -> float:
        rest = service.get("/metrics").partition(row)[2]
        return float(rest.split(b"\n")[0]) if rest else 0.0

    before = count()
    assert status_of(service.say(said)) == status
    assert count() == before + 1


def test_head_is_answered_like_get_without_a_body(service: Served) -> None:
    for path in ("/", "/healthz", "/readyz", "/health", "/models", "/metrics", "/docs", "/openapi.json", "/jobs"):
        told = service.say(f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert told.startswith(b"HTTP/1.1 200"), path
        assert told.endswith(b"\r\n\r\n"), path
        length = [line for line in service.get(path).split(b"\r\n") if line.lower().startswith(b"content-length")]
        if path not in ("/metrics", "/health"):  # which differ from one moment to the next
            assert length[0] in told
    with service.connect() as line:  # the connection serves on
        line.sendall(b"HEAD /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HEAD + b"Connection: close\r\n\r\n")
        assert heard(line).endswith(b'{"status":"alive"}')


def test_a_small_answer_leaves_in_one_piece_so_that_no_kill_leaves_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = _SelectorSocketTransport.write

    def noted(self: _SelectorSocketTransport, data: bytes) -> None:
        written.append(bytes(data))
        write(self, data)

    monkeypatch.setattr(_SelectorSocketTransport, "write", noted)
    with served(tmp_path) as service:
        head, body = upload(100)
        assert service.say(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body).endswith(b"done")
        assert status_of(service.get("/nothing")) == 404
    answers = [data for data in written if data.startswith(b"HTTP/1.1 ")]
    assert [status_of(answer) for answer in answers] == [200, 404]
    assert answers[0].endswith(b"\r\n\r\ndone") and answers[1].endswith(b"}")
