"""A format is a row of the table and a writer: everything that offers formats follows."""

import json
import subprocess
import sys
from pathlib import Path

from backend.contract.settings import REPOSITORY
from tests.helpers.drawn import encoded, toy

# In a process of its own: a row has to be there before the options are defined, as one in the source is.
WITH_ONE_MORE = """
import asyncio, json, sys
from backend.contract.mesh_formats import MESH_FORMATS, MeshFormat
MESH_FORMATS["dots"] = MeshFormat("model/x.dots", "a number of dots")
from backend.mesh.export import WRITERS
WRITERS["dots"] = lambda mesh: f"{len(mesh.vertices)} dots".encode()

from backend.cli import main
from backend.contract.settings import Settings
from backend.main import create_app

status = main(["generate-mesh", sys.argv[1], "-o", sys.argv[2], "--quiet", "--debug", sys.argv[3]])
from fastapi.testclient import TestClient
client = TestClient(create_app(Settings()))
operation = client.get("/openapi.json").json()["paths"]["/generate-mesh"]["post"]
form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["format"]
page = client.get("/static/page.json").json()
print(json.dumps([status, form, list(operation["responses"]["200"]["content"]), list(page["mesh_formats"])]))
"""


def test_a_format_that_is_added_to_the_table_can_be_asked_for_everywhere(tmp_path: Path) -> None:
    photo, out = tmp_path / "toy.png", tmp_path / "toy.dots"
    photo.write_bytes(encoded(toy()[0]))
    folders = {name: str(tmp_path / name) for name in ("CHECKPOINTS_DIR", "DATA_DIR", "LOGS_DIR")}
    ran = subprocess.run(
        [sys.executable, "-c", WITH_ONE_MORE, str(photo), str(out), str(tmp_path / "debug")],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**folders, "PATH": "/usr/bin:/bin"},
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    status, form, media_types, offered = json.loads(ran.stdout.splitlines()[-1])
    assert status == 0, ran.stderr
    assert out.read_text().endswith(" dots")
    assert form["enum"] == offered == ["glb", "obj", "ply", "stl", "3mf", "usdz", "dots"]
    assert "`dots`: a number of dots" in form["description"]
    assert "model/x.dots" in media_types
