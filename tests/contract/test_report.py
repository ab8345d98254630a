"""The report's models: what OpenAPI says is what a run gives."""

from pathlib import Path
from typing import Any

import pytest

from backend.contract.options import BackgroundOptions, EditOptions, MaskOptions, MeshFileOptions, MeshOptions
from backend.contract.removebg import RemoveBgOptions
from backend.contract.report import PictureReport
from backend.contract.settings import Settings
from backend.contract.work import KINDS, Work
from backend.engines.registry import Engines
from backend.main import create_app
from backend.workers.perform import perform
from tests.helpers.drawn import encoded, toy
from tests.helpers.small_meshes import small_glb

OPTIONS = {
    "remove-bg": MaskOptions(),
    "generate-mesh": MeshOptions(target_faces=500),
    "convert-mesh": MeshFileOptions(),
    "edit-mask": EditOptions(strokes=[{"x": 20, "y": 20, "radius": 5, "hardness": 1, "mode": "add"}]),
    "add-background": BackgroundOptions(color="#ffffff"),
    "removebg": RemoveBgOptions(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_gives_the_report_that_its_kind_declares(kind: str, tmp_path: Path) -> None:
    image, mask = toy()
    files = {"file": encoded(image), "mask": encoded(mask.astype("uint8") * 255)}
    files = {"convert-mesh": {"file": small_glb()}, "removebg": {"image_file": files["file"]}}.get(kind, files)
    done = perform(Work(kind, files, OPTIONS[kind]), Engines(Settings(checkpoints_dir=tmp_path)), lambda stage: None)
    report = KINDS[kind].report.model_validate(done.report)
    assert report.as_json() == done.report
    assert not set(done.report) - set(KINDS[kind].report.model_fields)


def test_openapi_has_a_schema_with_fields_for_every_report() -> None:
    document: dict[str, Any] = create_app().openapi()
    for name, kind in KINDS.items():
        if kind.foreign:  # it answers as others do, without a report
            continue
        answer = document["paths"][f"/{name}"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        reference = answer["properties"]["report"]["$ref"].rsplit("/", 1)[-1]
        schema = document["components"]["schemas"][reference]
        assert set(schema["properties"]) == set(kind.report.model_fields)
    assert document["components"]["schemas"]["Scorecard"]["properties"]["points"]["maximum"] == 100


def test_fields_that_no_stage_set_are_left_out() -> None:
    image = {"format": "png", "width": 1, "height": 1, "stored_width": 1, "stored_height": 1, "has_transparency": False}
    report = PictureReport(image=image, stages=[], seconds=0, notes=[], degradations=[], versions={})
    assert "cached" not in report.as_json() and "bytes" not in report.as_json()["image"]
