"""The raw surface against the published tool's, and the bench figure's place in the frame."""

import pytest
import trimesh
from scipy.spatial import cKDTree

from tests.helpers.bench_figure import figure
from tsr.isosurface import extract_surface


@pytest.mark.parametrize("method", ["dense", "sparse"])
def test_the_raw_surface_is_the_published_one(small, method: str) -> None:
    golden = small.numbers
    resolution, isovalue = int(golden["mesh_resolution"]), float(golden["mesh_threshold"])
    mesh = small.model.extract_mesh(
        small.code, resolution=resolution, isovalue=isovalue, method=method, close=False, min_component=0
    )
    cell = 2 * 0.87 / (resolution - 1)
    for from_here, to_there in ((mesh.vertices, golden["mesh_vertices"]), (golden["mesh_vertices"], mesh.vertices)):
        distance, _ = cKDTree(to_there).query(from_here)
        assert (distance < 1e-4).mean() >= 0.995 and distance.max() < cell / 5
    volume = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume
    assert volume == pytest.approx(float(golden["mesh_volume"]), rel=0.01)


def test_the_bench_figure_stands_upright_and_points_at_the_viewer(shared, published) -> None:
    scene = figure(shared, published)
    surface = extract_surface(scene, resolution=96)
    mesh = trimesh.Trimesh(surface.vertices.numpy(), surface.faces.numpy(), process=False)
    assert mesh.is_watertight and mesh.volume > 0
    assert mesh.bounds[:, 2] == pytest.approx([-0.62, 0.55], abs=0.03)
    color = scene.color(surface.vertices)
    red = surface.vertices[(color[:, 0] > 0.6) & (color[:, 1:] < 0.35).all(1)]
    pointing, hanging = red[red[:, 1] > 0.2], red[red[:, 1] < -0.2]
    reach = [(arm.max(0).values - arm.min(0).values).tolist() for arm in (pointing, hanging)]
    assert reach[0][0] > 2 * reach[0][2] and pointing[:, 0].max() > 0.25  # along +x, to the viewer
    assert reach[1][2] > 2 * reach[1][0]  # down


def test_sparse_and_dense_differ_on_the_bench_figure_by_rounding_only(shared, published) -> None:
    scene = figure(shared, published)
    sparse, dense = (extract_surface(scene, resolution=80, method=method) for method in ("sparse", "dense"))
    assert sparse.vertices.shape == dense.vertices.shape and sparse.faces.shape == dense.faces.shape
    for a, b in ((sparse.vertices, dense.vertices), (dense.vertices, sparse.vertices)):
        assert cKDTree(a.numpy()).query(b.numpy())[0].max() < 0.01 * 2 * 0.87 / 79
