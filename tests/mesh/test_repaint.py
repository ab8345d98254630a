"""A finished mesh keeps its shape and its colours, with fewer faces or with the colours kept in another way."""

import numpy as np
import trimesh

from backend.mesh.mesh import Mesh
from backend.mesh.repaint import repaint
from backend.mesh.sampling import texture_colors
from backend.mesh.surface_colors import surface_colors
from backend.mesh.texture import bake_texture
from backend.mesh.topology import topology, weld


def halves(points):
    """Red where y is positive, blue elsewhere."""
    return np.where(points[:, 1:2] > 0, [[1, 0, 0]], [[0, 0, 1]]).astype(np.float32)


def ball(textured):
    shape = trimesh.creation.icosphere(4, 0.5)
    mesh = Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))
    return bake_texture(mesh, halves) if textured else Mesh(mesh.vertices, mesh.faces, halves(mesh.vertices))


def test_a_texture_is_painted_anew():
    light = repaint(ball(textured=True), 600)
    assert len(light.faces) <= 600 and topology(weld(light)).closed
    seen = texture_colors(light.texture.image, light.texture.uv) / 255
    clear = np.abs(light.vertices[:, 1]) > 0.1
    assert np.abs(seen - halves(light.vertices))[clear].max() < 0.1


def test_vertex_colours_stay_vertex_colours():
    light = repaint(ball(textured=False), 600)
    clear = np.abs(light.vertices[:, 1]) > 0.1
    assert light.texture is None and (light.colors[clear] == halves(light.vertices)[clear]).all()


def test_a_bare_mesh_stays_bare_and_a_light_one_as_it_is():
    mesh = ball(textured=False)
    bare = Mesh(mesh.vertices, mesh.faces)
    assert repaint(bare, 600).colors is None and surface_colors(bare) is None
    assert repaint(mesh, 10**6) is mesh


def test_vertex_colours_become_a_texture_and_back():
    painted = ball(textured=False)
    baked = repaint(painted, texture="baked")
    assert baked.texture is not None and len(baked.faces) == len(painted.faces)
    plain = repaint(baked, texture="vertex")
    clear = np.abs(plain.vertices[:, 1]) > 0.1
    assert plain.texture is None and np.abs(plain.colors - halves(plain.vertices))[clear].max() < 0.1
    light = repaint(painted, 600, "baked")
    seen = texture_colors(light.texture.image, light.texture.uv) / 255
    clear = np.abs(light.vertices[:, 1]) > 0.1
    assert len(light.faces) <= 600 and np.abs(seen - halves(light.vertices))[clear].max() < 0.1


def test_what_is_as_asked_is_not_touched():
    painted, baked = ball(textured=False), ball(textured=True)
    assert repaint(painted, texture="vertex") is painted
    assert repaint(baked, texture="baked") is baked
    bare = Mesh(painted.vertices, painted.faces)
    assert repaint(bare, texture="baked") is bare
