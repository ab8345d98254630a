"""The server's own settings: the event loop that its protocol needs."""

from pathlib import Path

import pytest

from tests.helpers.wire import served, status_of, upload


def test_it_answers_where_uvloop_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed here")
    with served(tmp_path) as service:  # uvicorn would choose uvloop, whose transport has no read limit to set
        assert status_of(service.get("/healthz")) == 200
        head, body = upload(1000)
        assert status_of(service.say(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)) == 200
