"""A row in the table is all that a new mesh engine or remote service needs beside its own file."""

import json
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

from backend.contract.mesh_engines import MESH_ENGINES
from backend.contract.settings import REPOSITORY, Settings
from backend.engines.load_segmenter import RUNNERS
from backend.weights.catalogue import CATALOGUE
from backend.weights.remote_services import REMOTE_SERVICES

OWN_FILES = r"""
from backend.engines.remote.matte_of import RemoteMatte
import numpy as np

class Cube:
    name = "cube"
    device = "cpu"

def load_cube(settings, memoize):
    return Cube()

def ask_acme(exchange, key, picture, size):
    assert (exchange.address, key, picture[:2]) == ("https://acme.example/v1", "secret", b"\xff\xd8")
    return RemoteMatte(np.ones(size, np.float32))
"""

# The rows come first: the options take their choices from the table when they are imported.
PROGRAM = """
import json, sys
from pathlib import Path
from backend.contract.mesh_engines import MESH_ENGINES, MeshEngineFacts
MESH_ENGINES["cube"] = MeshEngineFacts("Cube", "own_files:load_cube", "Embedded: always a cube.")

from backend.weights.remote_services import REMOTE_SERVICES, RemoteService
REMOTE_SERVICES["acme"] = RemoteService(
    "acme", "Acme", "own_files:ask_acme", "removebg_api_key", "removebg_api_url", "https://acme.example/v1",
    "Acme's terms", "1 cent a picture", "Any object, at Acme.",
)

import numpy as np
from fastapi.testclient import TestClient
from backend.cache.identity import model_fingerprint
from backend.cli import _parser
from backend.contract.options import MeshOptions
from backend.contract.settings import Settings
from backend.engines.registry import Engines
from backend.main import create_app
from tests.helpers.scripted_runner import ScriptedRunner

settings = Settings(checkpoints_dir=Path(sys.argv[1]), logs_dir=Path(sys.argv[1]), removebg_api_key="secret")
engines = Engines(settings)
client = TestClient(create_app(settings, ScriptedRunner()))
form = client.get("/openapi.json").json()["paths"]["/generate-mesh"]["post"]["requestBody"]
print(json.dumps({
    "engine": engines.mesh_engine(MeshOptions(engine="cube").engine).name,
    "fingerprints": [model_fingerprint(name, settings) for name in ("cube", "acme")],
    "command": _parser().parse_args(["generate-mesh", "photo.jpg", "--engine", "cube"]).engine,
    "choices": form["content"]["multipart/form-data"]["schema"]["properties"]["engine"]["enum"],
    "page": client.get("/static/page.json").json()["mesh_engines"],
    "models": {row["name"]: row["state"] for row in client.get("/models").json()},
    "matte": float(engines.segmenter("acme").predict(np.zeros((64, 64, 3), np.uint8)).saliency.min()),
}))
"""


def test_a_mesh_engine_and_a_service_in_the_tables_alone_can_be_asked_for_by_name(tmp_path: Path) -> None:
    """The made-up service reads settings that exist: a real one adds its own two."""
    (tmp_path / "own_files.py").write_text(OWN_FILES)
    path = f"{REPOSITORY}:{tmp_path}"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert (said["engine"], said["command"]) == ("cube", "cube")
    assert said["choices"] == ["auto", "triposr", "form", "relief", "cube"]
    assert said["page"][-1] == {"name": "cube", "title": "Cube"}
    assert said["fingerprints"] == ["embedded", "remote https://acme.example/v1"]
    assert (said["models"]["cube"], said["models"]["acme"]) == ("embedded", "key set")
    assert said["matte"] == 1.0


def test_every_row_names_a_function_and_settings_that_exist() -> None:
    loads = [engine.load for engine in MESH_ENGINES.values()]
    loads += [service.ask for service in REMOTE_SERVICES.values()]
    loads += [RUNNERS[model.runner] for model in CATALOGUE.values() if model.task == "segmentation"]
    assert all(callable(resolve_name(load)) for load in loads)
    settings = {engine.own_weights for engine in MESH_ENGINES.values()} - {""}
    for service in REMOTE_SERVICES.values():
        settings |= {service.key_setting, service.url_setting}
    assert settings <= set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(MESH_ENGINES))
def test_a_mesh_engine_is_embedded_or_has_weights_in_the_catalogue(name: str) -> None:
    model = CATALOGUE.get(name)
    assert MESH_ENGINES[name].embedded == (model is None)
    assert model is None or model.task == "mesh"
