"""A Range on anything but a job's file gets the whole file, however odd it is."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.scripted_runner import ScriptedRunner

RANGES = ["bytes=abc", "bytes=5-2", "bytes=99999999-", "bytes=0-0,2-3", "bytes=-0", "lines=1-2", "bytes=0-9", "\xff"]


@pytest.mark.parametrize("path", ["/", "/static/js/app.js", "/openapi.json", "/docs", "/static/page.json"])
def test_an_odd_range_is_no_error(path: str, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), ScriptedRunner())  # type: ignore[arg-type]
    client = TestClient(app)
    whole = client.get(path)
    for header in RANGES:
        answer = client.get(path, headers={"Range": header.encode("latin-1")})
        assert (answer.status_code, answer.content) == (200, whole.content)
