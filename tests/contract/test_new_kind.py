"""A row of `KINDS`, an options model, a report and a function are all that a new kind of work needs."""

import json
import subprocess
import sys
from pathlib import Path

from backend.contract.settings import REPOSITORY
from tests.helpers.drawn import encoded, toy

OWN_FILES = """
from dataclasses import dataclass
from backend.contract.options import WorkOptions
from backend.contract.report import PictureReport, base_report
from backend.contract.work import File
from backend.images.open_picture import open_picture
from backend.matte.report import image_report

class MeasureOptions(WorkOptions):
    unit: str = "bytes"

class MeasureReport(PictureReport):
    size: int

@dataclass
class Measured:
    file: File
    report: MeasureReport

def measure(photo, options, engines, trace):
    with trace.stage("measure"):
        picture, text = open_picture(photo, engines.settings), f"{len(photo)} {options.unit}"
    report = MeasureReport(size=len(photo), image=image_report(picture), **base_report(trace))
    return Measured(File("size.txt", "text/plain", text.encode()), report)
"""

# The row comes first: routes and job documents read the table when they are imported.
PROGRAM = """
import json, sys, time
from pathlib import Path
from backend.contract.work import KINDS, Kind
from own_files import MeasureOptions, MeasureReport
KINDS["measure"] = Kind(
    "mask", MeasureOptions, MeasureReport, "own_files:measure", "Measure a photo", "Returns its size.", "matte",
    ("text/plain",), {"file": "photo"}, job=True,
)

from fastapi.testclient import TestClient
from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.in_process import InProcessRunner

folder = Path(sys.argv[1])
settings = Settings(checkpoints_dir=folder, logs_dir=folder, data_dir=folder / "data", cache_bytes=0)
photo = (folder / "photo.png").read_bytes()
with TestClient(create_app(settings, InProcessRunner(settings))) as client:
    direct = client.post("/measure", files={"file": photo}, data={"unit": "B"})
    job = client.post("/jobs", files={"file": photo}, data={"kind": "measure"}).json()
    for _ in range(600):
        job = client.get(f"/jobs/{job['id']}").json()
        if job["state"] not in ("queued", "running"):
            break
        time.sleep(0.05)
    contract = client.get("/openapi.json").json()
    print(json.dumps({
        "direct": direct.text,
        "job": [job["state"], job["kind"], job["report"]["size"], [file["name"] for file in job["files"]]],
        "route": "/measure" in contract["paths"],
        "report": "size" in contract["components"]["schemas"]["MeasureReport"]["properties"],
        "unknown": client.post("/measure", files={"file": photo}, data={"crop": "true"}).json()["code"],
    }))
"""


def test_a_kind_in_the_table_alone_has_a_route_jobs_and_a_place_in_openapi(tmp_path: Path) -> None:
    (tmp_path / "own_files.py").write_text(OWN_FILES)
    photo = encoded(toy()[0])
    (tmp_path / "photo.png").write_bytes(photo)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={"PYTHONPATH": f"{REPOSITORY}:{tmp_path}", "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    assert answers["direct"] == f"{len(photo)} B"
    assert answers["job"][:3] == ["succeeded", "measure", len(photo)]
    assert "size.txt" in answers["job"][3]
    assert answers["route"] and answers["report"]
    assert answers["unknown"] == "invalid-parameter"
