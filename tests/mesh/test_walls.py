"""Walls of solids whose thickness is known."""

import numpy as np
import pytest
import trimesh

from backend.mesh.mesh import Mesh
from backend.mesh.walls import wall_thickness


def mesh_of(shape):
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))


@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0])
def test_a_plate_is_as_thick_as_it_is_however_it_lies(angle):
    plate = trimesh.creation.box((1.0, 0.8, 0.05))
    plate.apply_transform(trimesh.transformations.rotation_matrix(np.radians(angle), (1, 0.3, 0.2)))
    assert wall_thickness(mesh_of(plate)) == pytest.approx(0.05, rel=0.05)


def test_a_shell_is_thinner_than_a_ball():
    outer, inner = trimesh.creation.icosphere(4, 0.5), trimesh.creation.icosphere(4, 0.46)
    inner.invert()
    shell = wall_thickness(mesh_of(trimesh.util.concatenate([outer, inner])))
    assert shell == pytest.approx(0.04, rel=0.15)
    # Along an axis that meets it at 60° at most, a ball is at least a quarter of its diameter thick.
    assert wall_thickness(mesh_of(outer)) > 0.25


def test_it_is_measured_in_the_meshs_own_units():
    plate = mesh_of(trimesh.creation.box((1.0, 0.8, 0.05)))
    large = Mesh(plate.vertices * 100, plate.faces)
    assert wall_thickness(large) == pytest.approx(100 * wall_thickness(plate), rel=1e-3)


def test_a_sheet_has_no_walls():
    sheet = Mesh(np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    assert wall_thickness(sheet) is None
