"""The log: one line per record, whatever a client sends."""

import json
import logging
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.api.logs import LIBRARIES, JsonFormatter, formatter, printable, set_up_logging
from backend.api.middleware.request_log import RequestLog


def logged(message: str, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("mattemesh", logging.INFO, "", 0, message, None, None)
    record.__dict__.update(extra)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    entry: dict[str, object] = json.loads(line)
    return entry


def test_a_json_line_is_one_object_with_time_level_and_message() -> None:
    entry = logged("it runs")
    assert entry["level"] == "INFO"
    assert entry["logger"] == "mattemesh"
    assert entry["message"] == "it runs"
    assert str(entry["time"]).endswith("Z") and "T" in str(entry["time"])


@pytest.mark.parametrize("nasty", ["a\nb", 'a"}\n{"level": "ERROR"', "\x1b[31mred", "\u2028", "\ud800"])
def test_nothing_that_a_stranger_sends_leaves_its_string(nasty: str) -> None:
    assert logged("given", path=nasty)["path"] == nasty


def test_an_exception_is_one_field() -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        record = logging.LogRecord("mattemesh", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    entry = json.loads(formatter("json").format(record))
    assert "ValueError: broken\nin two" in entry["exception"]
    assert entry["message"] == "failed"


def test_a_request_is_logged_in_fields(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    app = FastAPI()
    app.add_middleware(RequestLog, observe=lambda request, status, seconds: None)
    monkeypatch.setattr(logging.getLogger("mattemesh"), "propagate", True)
    caplog.set_level(logging.INFO)
    TestClient(app, client=("192.0.2.9", 1)).get(
        "/no%0Awhere", params={"secret": "hidden"}, headers={"X-Request-ID": "mine"}
    )
    entry = json.loads(JsonFormatter().format(caplog.records[-1]))
    assert entry["request_id"] == "mine"
    assert entry["method"] == "GET"
    assert entry["path"] == r"/no\nwhere"
    assert entry["status"] == 404
    assert entry["client"] == "192.0.2.9"
    assert entry["seconds"] >= 0
    assert "hidden" not in json.dumps(entry)


def test_the_libraries_log_in_the_same_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mattemesh", *LIBRARIES):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    set_up_logging(tmp_path, "INFO", "json")
    logging.getLogger("uvicorn.error").error("broken\npipe")
    logging.getLogger("mattemesh").info("it runs")
    logged = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert logged == ["broken\npipe", "it runs"]
    assert (tmp_path / "backend.log").read_text().count("\n") == 2
    # Whose warnings would go to stderr as they are, one for each malformed form.
    assert not logging.getLogger("python_multipart.multipart").isEnabledFor(logging.WARNING)


def test_a_name_that_cannot_be_printed_is_escaped_and_cut() -> None:
    assert printable("a\nb\x1b") == r"a\nb\x1b"
    assert len(printable("é" * 1000)) == 200


def test_an_unwritable_log_file_is_reported_once_and_used_again_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("mattemesh")
    monkeypatch.setattr(logger, "handlers", [])
    for name in LIBRARIES:
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    (tmp_path / "backend.log").mkdir()
    set_up_logging(tmp_path, "INFO")
    for number in range(5):
        logger.info("line %d", number)
    (tmp_path / "backend.log").rmdir()
    logger.info("line 5")
    logged = capsys.readouterr().err
    assert logged.count("cannot be written") == 1 and "Traceback" not in logged
    assert all(f"line {number}" in logged for number in range(6))
    assert "line 5" in (tmp_path / "backend.log").read_text()
