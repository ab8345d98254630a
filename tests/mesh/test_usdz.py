"""A USDZ, read and checked by OpenUSD's own library: the validators that `usdchecker` runs have nothing to say."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from backend.mesh.export import export_mesh
from backend.mesh.placing import place
from tests.helpers.small_meshes import figure

pytest.importorskip("pxr")
from pxr import Usd, UsdGeom, UsdShade, UsdValidation


def written(mesh, tmp_path: Path, up="y"):
    path = tmp_path / "model.usdz"
    path.write_bytes(export_mesh(place(mesh, up), "usdz"))
    return path


MESHES = pytest.mark.parametrize(
    "mesh", [figure(), figure(texture=True), figure(colors=False)], ids=["colours", "both", "bare"]
)


@MESHES
@pytest.mark.parametrize("up", ["y", "z"])
def test_the_validators_have_nothing_to_say(mesh, up, tmp_path):
    stage = Usd.Stage.Open(str(written(mesh, tmp_path, up)))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 20
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [error.GetMessage() for error in errors] == []


@MESHES
def test_the_mesh_reads_back(mesh, tmp_path):
    stage = Usd.Stage.Open(str(written(mesh, tmp_path)))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    found = UsdGeom.Mesh(stage.GetPrimAtPath("/object/surface"))
    points = np.array(found.GetPointsAttr().Get())
    assert np.allclose(points, place(mesh).mesh.vertices, atol=1e-6)
    assert list(found.GetFaceVertexIndicesAttr().Get()) == mesh.faces.reshape(-1).tolist()
    assert np.allclose(found.GetExtentAttr().Get(), [points.min(axis=0), points.max(axis=0)])
    assert str(found.GetSubdivisionSchemeAttr().Get()) == "none"


def test_the_texture_is_bound_and_the_right_way_up(tmp_path):
    stage = Usd.Stage.Open(str(written(figure(texture=True), tmp_path)))
    surface = stage.GetPrimAtPath("/object/surface")
    assert str(UsdShade.MaterialBindingAPI(surface).ComputeBoundMaterial()[0].GetPath()) == "/object/photo"
    st = np.array(UsdGeom.PrimvarsAPI(surface).GetPrimvar("st").Get())
    assert np.allclose(st, figure(texture=True).texture.uv * [1, -1] + [0, 1])
    file = UsdShade.Shader(stage.GetPrimAtPath("/object/photo/texture")).GetInput("file").Get()
    assert file.resolvedPath


@MESHES
def test_every_file_is_stored_and_aligned(mesh, tmp_path):
    data = written(mesh, tmp_path).read_bytes()
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.namelist()[0] == "model.usda"
    for entry in archive.infolist():
        begin = entry.header_offset + 30 + len(entry.filename) + len(entry.extra)
        assert entry.compress_type == zipfile.ZIP_STORED and begin % 64 == 0
        assert data[begin : begin + entry.file_size] == archive.read(entry)
