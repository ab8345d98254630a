"""Files of the service and its workers are for their user alone."""

import sys
from pathlib import Path

import pytest

from tests.helpers.drawn import encoded, toy
from tests.helpers.real_service import RealService

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")


def test_every_file_and_folder_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / "made"  # by the service itself, parents included
    folders = {"DATA_DIR": "a/data", "LOGS_DIR": "b/logs", "DEBUG_DIR": "c/bundles", "CHECKPOINTS_DIR": "d/weights"}
    settings = {name: str(made / path) for name, path in folders.items()} | {"CACHE_BYTES": "10000000"}
    service = RealService(tmp_path / "service", settings)
    service.start()
    try:
        photo = encoded(toy(60, 48)[0])
        assert service.post("/remove-bg", {"file": photo}, quality="fast").status == 200
        job = service.post("/jobs", {"file": photo}, kind="remove-bg", quality="fast").json()
        assert service.ended(job["id"])["state"] == "succeeded"
    finally:
        service.terminate()
    paths = list(made.rglob("*"))
    names = {path.name for path in paths}
    assert {"backend.log", "jobs.sqlite3", "mask.png", "report.json", job["id"]} <= names
    assert "POST /remove-bg 200" in (made / "b" / "logs" / "backend.log").read_text()
    shared = [path for path in paths if path.stat().st_mode & 0o077]
    assert shared == []
