"""A disk that fills up while a file is received."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from backend.api import problems
from backend.api.forms import read_files, read_form
from backend.contract.work import KINDS
from tests.helpers.small_disk import fill, small_disk

KIND = KINDS["remove-bg"]


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A service whose only route says how much it read."""
    app = FastAPI()

    @app.post("/form")
    async def form_route(request: Request) -> dict[str, int]:
        async with read_form(request, 20_000_000, KIND) as form:
            return {name: len(data) for name, data in (await read_files(form, KIND)).items()}

    problems.install(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (errno.ENOSPC, (507, "storage-full")),
        (errno.EDQUOT, (507, "storage-full")),
        (errno.ENOENT, (507, "storage-full")),  # tempfile finds no folder with room
        (errno.EMFILE, (503, "overloaded")),
        *((fault, (503, "storage-failed")) for fault in (errno.EACCES, errno.EROFS, errno.EIO)),
    ],
)
def test_a_full_spool_gets_a_507_and_is_forgotten(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, fault: int, expected: tuple[int, str]
) -> None:
    def full(spool: object, data: bytes) -> int:
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as disk:
        disk.setattr(SpooledTemporaryFile, "write", full)
        answer = client.post("/form", files={"file": b"x" * 3_000_000})
        assert (answer.status_code, answer.json()["code"]) == expected
    assert client.post("/form", files={"file": b"x" * 3_000_000}).json() == {"file": 3_000_000}


@pytest.mark.slow
def test_a_real_full_disk_gets_a_507_and_works_again_when_there_is_room(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 4 * 2**20) as disk:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        for size, status in ((3_000_000, 200), (8_000_000, 507), (3_000_000, 200)):
            assert client.post("/form", files={"file": b"x" * size}).status_code == status
        ballast = fill(disk)
        assert client.post("/form", files={"file": b"x" * 3_000_000}).status_code == 507
        assert client.post("/form", files={"file": b"x" * 500_000}).status_code == 200  # needs no disk
        ballast.unlink()
        assert client.post("/form", files={"file": b"x" * 3_000_000}).status_code == 200
        assert list(disk.iterdir()) == []
