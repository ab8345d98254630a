"""Uploads that are slow, too large or abandoned."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.types import Message

from backend.api.middleware.stopping import Stopping
from backend.api.middleware.uploads import PacedUploads, Uploads
from backend.contract.errors import NotReadyError, UploadTooSlowError
from backend.contract.settings import Settings
from tests.helpers.virtual_time import VirtualTimeLoop
from tests.helpers.waiting import PATIENCE_S, until
from tests.helpers.wire import PART, Served, heard, problem_of, served, status_of, upload


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("service")
    limits = {"upload_patience_s": 0.4, "upload_deadline_s": 1.5, "min_bytes_per_s": 1000}
    with served(folder, **limits, max_upload_bytes=3_000_000, max_uploads_bytes=3_000_000) as service:
        yield service
        until(lambda: service.app.state.uploads == Uploads())


def trickled(service: Served, size: int, piece: int, pause_s: float) -> bytes:
    """Return the answer to a form sent in small pieces, or to the part of it that was taken."""
    head, body = upload(size, "Connection: close\r\n")
    with service.connect() as line:
        line.sendall(head)
        line.settimeout(pause_s)
        for start in range(0, len(body), piece):
            line.sendall(body[start : start + piece])
            try:
                if answer := line.recv(65536):
                    line.settimeout(PATIENCE_S)
                    return answer + heard(line)
            except TimeoutError:
                continue
        line.settimeout(PATIENCE_S)
        return heard(line)


def test_an_unfinished_upload_gets_a_408_and_the_connection_is_closed(service: Served) -> None:
    head, body = upload(100_000)
    answer = service.say(head, body[:20_000])
    assert problem_of(answer)["code"] == "upload-too-slow"
    assert b"connection: close" in answer


def test_an_upload_slower_than_the_lowest_pace_is_refused(service: Served) -> None:
    assert problem_of(trickled(service, 5000, 10, 0.05))["code"] == "upload-too-slow"


def test_uploads_beyond_what_the_service_holds_are_turned_away_and_the_others_served(service: Served) -> None:
    head, body = upload(2_500_000)
    with service.connect() as first:
        first.sendall(head + body[:2_000_000])
        until(lambda: service.app.state.uploads.received_bytes > 1_900_000)
        assert problem_of(service.say(head, body))["code"] == "overloaded"
        assert status_of(service.say(*upload(1000, "Connection: close\r\n"))) == 200


def test_a_client_that_leaves_in_mid_upload_leaves_nothing_behind(service: Served) -> None:
    head, body = upload(2_500_000)
    until(lambda: service.app.state.uploads == Uploads())
    before = spooled_files()
    with service.connect() as line:
        line.sendall(head + body[:2_000_000])
        until(lambda: spooled_files() == before + 1)
    until(lambda: service.app.state.uploads == Uploads())
    until(lambda: spooled_files() == before)


def spooled_files() -> int:
    """Return how many files this process has open whose names are gone, as those of a spool are."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list a process's open files")
    links = []
    for entry in folder.iterdir():
        try:
            links.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return sum("(deleted)" in link and "/tmp" in link for link in links)


def test_a_full_queue_refuses_before_the_photo_is_sent(service: Served) -> None:
    head, _ = upload(2_000_000, "Expect: 100-continue\r\n")
    service.runner.full = True
    assert problem_of(service.say(head))["code"] == "overloaded"  # and no "100 Continue" before it
    service.runner.full = False
    assert status_of(service.say(*upload(10, "Connection: close\r\n"))) == 200


def test_a_client_that_leaves_while_its_work_runs_frees_its_place(service: Served) -> None:
    service.runner.held = True
    with service.connect() as line:
        line.sendall(b"".join(upload(1000)))
        until(lambda: service.runner.running == 1)
    until(lambda: service.runner.running == 0)
    service.runner.held = False


def test_a_body_in_chunks_is_read_like_any_other(service: Served) -> None:
    head, body = upload(50_000, "Connection: close\r\n")
    head = head.replace(f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked")
    pieces = [body[start : start + 7000] for start in range(0, len(body), 7000)]
    answer = service.say(head, *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n")
    assert status_of(answer) == 200
    assert service.runner.seen[-1].files["file"] == b"x" * 50_000


def test_a_body_in_chunks_is_counted_while_it_arrives(service: Served) -> None:
    head = upload(0)[0].replace(b"Content-Length", b"X").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert problem_of(service.say(head, b"1000000\r\n" + PART, b"x" * 4_000_000))["code"] == "overloaded"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTimeLoop:
    """The event loop that `paced` runs in, and the clock of the limits on uploads."""
    loop = VirtualTimeLoop()
    for module in ("uploads", "stopping"):
        monkeypatch.setattr(f"backend.api.middleware.{module}.time", SimpleNamespace(monotonic=loop.time))
    return loop


def paced(
    clock: VirtualTimeLoop, settings: Settings, stopping: Stopping, think_s: float, *sends: tuple[float, bytes]
) -> int:
    """Return how many bytes an application that thinks between its reads gets of a body that comes as `sends` say."""
    taken = 0

    async def application(scope: object, receive: object, send: object) -> None:
        nonlocal taken
        more = True
        while more:
            message: Message = await receive()  # type: ignore[operator]
            taken += len(message["body"])
            more = message["more_body"]
            await asyncio.sleep(think_s)

    pending = list(sends)

    async def receive() -> Message:
        wait_s, body = pending.pop(0)
        await asyncio.sleep(wait_s)
        return {"type": "http.request", "body": body, "more_body": bool(pending)}

    async def run() -> None:
        scope = {"type": "http", "headers": [(b"content-length", b"9")]}
        await PacedUploads(application, settings, Uploads(), stopping)(scope, receive, no_send)

    async def no_send(message: Message) -> None:
        raise AssertionError(message)

    try:
        clock.run_until_complete(run())
    finally:
        clock.close()
    return taken


LIMITS = Settings(upload_patience_s=10, upload_deadline_s=60, min_bytes_per_s=1000)


def test_an_upload_a_little_faster_than_the_lowest_pace_is_served(clock: VirtualTimeLoop) -> None:
    assert paced(clock, LIMITS, Stopping(), 0, *[(1.0, b"x" * 1010)] * 50) == 50_500


def test_an_upload_a_little_slower_than_the_lowest_pace_is_refused(clock: VirtualTimeLoop) -> None:
    with pytest.raises(UploadTooSlowError):
        paced(clock, LIMITS, Stopping(), 0, *[(1.0, b"x" * 800)] * 59)


def test_an_upload_at_a_good_pace_still_has_to_end_in_time(clock: VirtualTimeLoop) -> None:
    with pytest.raises(UploadTooSlowError) as refused:
        paced(clock, LIMITS, Stopping(), 0, *[(1.0, b"x" * 9000)] * 61)
    assert refused.value.numbers["actual"] == 59 * 9000  # the sixtieth would have come at the deadline


def test_what_the_service_itself_takes_its_time_for_is_not_the_clients_fault(clock: VirtualTimeLoop) -> None:
    assert paced(clock, LIMITS, Stopping(), 11, *[(1.0, b"x")] * 5) == 5


def test_bytes_sent_at_once_buy_no_more_patience_than_there_is(clock: VirtualTimeLoop) -> None:
    with pytest.raises(UploadTooSlowError):
        paced(clock, LIMITS, Stopping(), 0, (0.0, b"x" * 100_000), (11.0, b"x"))


def test_a_stop_leaves_an_upload_only_its_patience(clock: VirtualTimeLoop) -> None:
    stopping = Stopping()
    stopping.begin()
    with pytest.raises(NotReadyError):
        paced(clock, LIMITS, stopping, 0, *[(1.0, b"x" * 9000)] * 11)
