"""`POST /convert-mesh`: a finished mesh in, another file of it out."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from fastapi.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.drawn import encoded, toy
from tests.helpers.in_process import InProcessRunner
from tests.helpers.small_meshes import small_glb


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("service")
    settings = Settings(checkpoints_dir=folder, logs_dir=folder, data_dir=folder / "data", max_upload_bytes=100_000)
    with TestClient(create_app(settings, InProcessRunner(settings)), raise_server_exceptions=False) as client:
        yield client


def test_a_glb_becomes_another_file(client: TestClient) -> None:
    asked = {"format": "stl", "up": "z", "pivot": "foot", "height_mm": "60"}
    answer = client.post("/convert-mesh", files={"file": small_glb()}, data=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "model/stl")
    assert 'filename="model.stl"' in answer.headers["content-disposition"]
    found = trimesh.load(io.BytesIO(answer.content), file_type="stl")
    assert np.allclose(found.bounds, [[-20, -10, 0], [20, 10, 60]], atol=1e-3)


def test_the_report_is_that_of_the_new_file(client: TestClient) -> None:
    answer = client.post("/convert-mesh", files={"file": small_glb()}, headers={"Accept": "application/json"}).json()
    mesh = answer["report"]["mesh"]
    assert (mesh["faces"], mesh["vertices"], mesh["watertight"]) == (4, 4, True)
    assert np.allclose(mesh["bounds"], [[0, 0, 0], [0.2, 0.3, 0.1]])
    assert answer["result"]["name"] == "model.glb"


@pytest.mark.parametrize(
    ("data", "options", "status", "code"),
    [
        (encoded(toy()[0]), {}, 415, "unsupported-mesh-type"),
        (b"PK\x03\x04" + bytes(500), {}, 415, "unsupported-mesh-type"),
        (small_glb()[:-40], {}, 422, "mesh-corrupt"),
        (bytes(200_000), {}, 413, "upload-too-large"),
        (b"", {}, 422, "empty-file"),
        (small_glb(), {"height_mm": "0"}, 422, "invalid-parameter"),
        (small_glb(), {"height_mm": "5", "height_m": "1"}, 422, "invalid-parameter"),
        (small_glb(), {"quality": "best"}, 422, "invalid-parameter"),
    ],
)
def test_anything_else_is_a_problem(
    client: TestClient, data: bytes, options: dict[str, str], status: int, code: str
) -> None:
    answer = client.post("/convert-mesh", files={"file": data}, data=options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
