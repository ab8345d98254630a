"""A 3MF, read by the consortium's own library: millimetres, a solid, colours."""

from pathlib import Path

import numpy as np
import pytest

from backend.contract.options import MeshFileOptions
from backend.contract.trace import Trace
from backend.mesh.delivery import deliver
from backend.mesh.mesh import Mesh
from tests.helpers.small_meshes import figure

lib3mf = pytest.importorskip("lib3mf")
from lib3mf import get_wrapper  # noqa: E402


def read(mesh: Mesh, tmp_path: Path, **options):
    """Return the model and its one object as lib3mf reads them, strictly."""
    path = tmp_path / "model.3mf"
    path.write_bytes(deliver(mesh, MeshFileOptions(format="3mf", **options), Trace()).file.data)
    model = get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0
    objects = model.GetMeshObjects()
    assert objects.MoveNext()
    return model, objects.GetCurrentMeshObject()


def bounds(solid):
    points = np.array([list(vertex.Coordinates) for vertex in solid.GetVertices()])
    return points.min(axis=0), points.max(axis=0)


@pytest.mark.parametrize(
    "mesh", [figure(), figure(texture=True), figure(colors=False)], ids=["colours", "both", "bare"]
)
def test_a_solid_in_millimetres_stands_on_z(mesh, tmp_path):
    model, solid = read(mesh, tmp_path, pivot="foot", height_mm=60)
    assert model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    assert solid.IsManifoldAndOriented() and solid.GetTriangleCount() == 4
    assert np.allclose(bounds(solid), [[-20, -10, 0], [20, 10, 60]], atol=1e-4)


def test_an_object_of_no_named_size_is_100_mm_high(tmp_path):
    low, high = bounds(read(figure(), tmp_path)[1])
    assert high[2] - low[2] == pytest.approx(100, abs=1e-4)


def test_each_vertex_keeps_its_colour(tmp_path):
    model, solid = read(figure(), tmp_path, up="z")
    groups = model.GetColorGroups()
    assert groups.MoveNext()
    group = groups.GetCurrentColorGroup()
    painted = {}
    for index in range(solid.GetTriangleCount()):
        corners, paint = solid.GetTriangle(index).Indices, solid.GetTriangleProperties(index).PropertyIDs
        for corner, one in zip(corners, paint, strict=True):
            color = group.GetColor(one)
            painted[corner] = (color.Red, color.Green, color.Blue)
    top = int(np.argmax([vertex.Coordinates[2] for vertex in solid.GetVertices()]))
    assert np.allclose(painted[top], 127.5, atol=5)
    assert np.allclose(sorted(painted.values()), sorted((figure().colors * 255).tolist()), atol=5)
