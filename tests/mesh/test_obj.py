"""An OBJ with its material and texture: three files that name each other, closed although the texture has seams."""

import io
import zipfile

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.mesh.export import export_mesh
from backend.mesh.mesh import Mesh
from backend.mesh.obj import obj_files
from backend.mesh.placing import place
from backend.mesh.texture import bake_texture
from tests.helpers.small_meshes import figure


def ball():
    shape = trimesh.creation.icosphere(3, 0.5)
    mesh = Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))
    return bake_texture(mesh, lambda points: np.where(points[:, 2:] > 0, [[1, 0, 0]], [[0, 0, 1]]).astype(np.float32))


def words(text, keyword):
    return [line.split()[1:] for line in text.decode().splitlines() if line.split()[:1] == [keyword]]


def test_the_files_name_each_other_also_under_another_name():
    data = export_mesh(place(figure(texture=True)), "obj")
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["model.obj", "model.mtl", "model_texture.png"]
    files = obj_files(data, "my chair")
    assert list(files) == ["my chair_texture.png", "my chair.mtl", "my chair.obj"]
    assert b"\nmtllib my chair.mtl\n" in files["my chair.obj"]
    assert b"\nmap_Kd my chair_texture.png\n" in files["my chair.mtl"]
    assert words(files["my chair.obj"], "usemtl") == words(files["my chair.mtl"], "newmtl")
    picture = np.asarray(Image.open(io.BytesIO(files["my chair_texture.png"])))
    assert (picture == figure(texture=True).texture.image).all()


def test_without_a_texture_the_obj_has_the_colours():
    files = obj_files(export_mesh(place(figure()), "obj"), "x")
    assert list(files) == ["x.obj"] and b"mtllib" not in files["x.obj"]
    colors = np.array(words(files["x.obj"], "v"), float)[:, 3:]
    assert {tuple(row) for row in colors.round(2).tolist()} == {(0.2, 0.4, 0.6), (1, 0, 0), (0, 1, 0), (0.5, 0.5, 0.5)}


@pytest.mark.parametrize("textured", [True, False])
def test_each_edge_has_two_faces_without_welding(textured):
    mesh = ball() if textured else figure()
    text = obj_files(export_mesh(place(mesh), "obj"), "x")["x.obj"]
    faces = np.array([[corner.split("/")[0] for corner in row] for row in words(text, "f")], int)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}
    assert len(faces) == len(mesh.faces)


def test_a_reader_sees_the_colours_where_they_belong():
    files = obj_files(export_mesh(place(ball()), "obj"), "x")
    resolver = trimesh.resolvers.ZipResolver({name: io.BytesIO(data) for name, data in files.items()})
    data = io.BytesIO(files["x.obj"])
    found = trimesh.load(data, file_type="obj", force="mesh", process=False, resolver=resolver)
    texture, uv = np.asarray(found.visual.material.image.convert("RGB")), found.visual.uv
    row = np.clip((1 - uv[:, 1]) * len(texture), 0, len(texture) - 1).astype(int)
    column = np.clip(uv[:, 0] * texture.shape[1], 0, texture.shape[1] - 1).astype(int)
    above = found.vertices[:, 1] > 0.1
    assert texture[row, column][above][:, 0].min() > 200
    assert texture[row, column][found.vertices[:, 1] < -0.1][:, 2].min() > 200
