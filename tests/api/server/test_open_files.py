"""A limit of open files is met by fewer connections, not by a service that can accept none."""

import asyncio
import resource
import socket
import sys
import time
from pathlib import Path

import pytest

from backend.api.server import process
from backend.api.server.open_files import MIN_CONNECTIONS, SPARE_FILES, allow_open_files
from backend.api.startup import StartError
from backend.contract.settings import Settings
from tests.helpers.real_service import CHECKOUT, RealService
from tests.helpers.waiting import PATIENCE_S


def limited(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[int]:
    """Let this process seem to have these limits; return the list of soft limits that are set."""
    raised: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits[0]))
    return raised


def test_the_own_limit_is_raised_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = limited(monkeypatch, 256, resource.RLIM_INFINITY)
    settings, lowered = allow_open_files(Settings(max_connections=1000, max_uploads_bytes=2**30))
    assert (settings.max_connections, lowered) == (1000, "")
    assert raised == [SPARE_FILES + 2 * 1000 + 1024]


def test_a_limit_that_suffices_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft in (100_000, resource.RLIM_INFINITY):
        assert limited(monkeypatch, soft, resource.RLIM_INFINITY) == []
        assert allow_open_files(Settings())[1] == ""


@pytest.mark.parametrize("limit", [512, 1024, 1500, 3000])
def test_connections_and_their_spools_fit_below_a_hard_limit(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = limited(monkeypatch, 256, limit)
    settings, lowered = allow_open_files(Settings())
    connections = settings.max_connections
    assert raised == [limit]
    assert MIN_CONNECTIONS <= connections < 1000
    assert SPARE_FILES + 2 * connections + min(2 * connections, 1024) <= limit
    assert f"lowered to {connections}" in lowered and str(limit) in lowered
    assert settings.model_copy(update={"max_connections": 1000}) == Settings()


def test_a_limit_that_leaves_no_room_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 64, 128)
    with pytest.raises(StartError, match="only 128 files"):
        allow_open_files(Settings())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_more_connections_than_files_neither_fill_the_log_nor_keep_a_probe_out(tmp_path: Path) -> None:
    limit = 400
    program = ("bash", "-c", f'ulimit -n {limit} && exec "$@"', "sh", *CHECKOUT)
    service = RealService(tmp_path, program=program)
    service.start()
    lines = []
    try:
        for _ in range(2 * limit):
            lines.append(socket.create_connection(("127.0.0.1", service.port), PATIENCE_S))
        for _ in range(3):
            assert service.get("/healthz").status == 200
    finally:
        for line in lines:
            line.close()
        service.terminate()
    assert service.output().count("MAX_CONNECTIONS is lowered to 36") == 1
    assert "Traceback" not in service.output() and "accept" not in service.output()


def test_a_minute_of_connections_that_cannot_be_accepted_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    others: list[object] = []
    loop = asyncio.new_event_loop()
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(process.logger, "error", lambda text, *values: lines.append(text % values))
    monkeypatch.setattr(loop, "default_exception_handler", others.append)
    handle = process.AcceptErrors()
    context = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}
    for _ in range(500):
        handle(loop, context)
    now += 61
    handle(loop, context)
    assert len(lines) == 2
    assert "Too many open files" in lines[0] and lines[1].endswith("501")
    handle(loop, {"message": "another error"})
    assert (others, len(lines)) == ([{"message": "another error"}], 2)
    loop.close()
