"""Files hold the mesh, stand upright, face the viewer and pass the Khronos validator."""

import io
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.settings import REPOSITORY
from backend.mesh import export
from backend.mesh.export import export_mesh
from backend.mesh.glb import GlbStyle, glb_bytes, linear_from_srgb
from backend.mesh.mesh import Mesh
from backend.mesh.obj import obj_files
from backend.mesh.placing import place
from backend.mesh.relief import make_relief
from tests.helpers.small_meshes import figure

VALIDATE = """
const validator = require("gltf-validator");
const read = require("fs").readFileSync(0);
validator.validateBytes(new Uint8Array(read)).then((report) => console.log(JSON.stringify(report.issues)));
"""


def solid():
    side = 200
    rows, columns = np.mgrid[0:side, 0:side] - side / 2
    alpha = ((np.hypot(rows, columns) < 85) & (np.hypot(rows - 20, columns + 30) > 20)).astype(np.float32)
    return make_relief(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8), alpha).mesh


def written(mesh, kind="glb", up="y", check=False, **style):
    return export_mesh(place(mesh, up), kind, check, GlbStyle(**style))


def loaded(data, kind):
    data = obj_files(data, "model")["model.obj"] if kind == "obj" else data
    return trimesh.load(io.BytesIO(data), file_type=kind, process=False, force="mesh", maintain_order=True)


def tree_and_binary(data):
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def issues_of(data):
    if shutil.which("node") is None or not (REPOSITORY / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("Node and `npm install` bring the Khronos validator; one of them was not run here")
    ran = subprocess.run(
        ["node", "-e", VALIDATE], input=data, capture_output=True, cwd=REPOSITORY, timeout=60, check=True
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    "mesh",
    [figure(), figure(colors=False), figure(texture=True), solid()],
    ids=["colours", "bare", "textured", "relief"],
)
def test_the_khronos_validator_has_nothing_to_say_against_a_glb(mesh):
    webp = {"quantized": True, "texture_format": "webp", "texture_quality": 50}
    for style in ({}, {"unlit": True}, {"quantized": True}, webp):
        issues = issues_of(written(mesh, **style))
        assert issues["numErrors"] == 0 and issues["numWarnings"] == 0, issues["messages"]


TRIMESH_READS = ["glb", "obj", "ply", "stl"]  # the others have tests of their own, by their own readers


@pytest.mark.parametrize("kind", TRIMESH_READS)
def test_every_format_stands_upright_and_faces_the_viewer(kind):
    # The longest arm points up (y), the middle one to the viewer's right (x), the short one at the viewer (z).
    assert np.allclose(loaded(written(figure(), kind), kind).bounds, [[0, 0, 0], [0.2, 0.3, 0.1]])
    # Blender's own frame: up is z, the front looks along −y, and the viewer's right is x.
    assert np.allclose(loaded(written(figure(), kind, up="z"), kind).bounds, [[0, -0.1, 0], [0.2, 0, 0.3]])


@pytest.mark.parametrize("kind", TRIMESH_READS)
@pytest.mark.parametrize("up", ["y", "z"])
def test_a_turn_keeps_the_inside_inside(kind, up):
    assert loaded(written(figure(), kind, up), kind).volume == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("kind", ["ply", "stl"])
def test_plain_formats_are_closed_without_welding_by_the_reader(kind):
    found = loaded(written(solid(), kind), kind)
    if kind == "stl":
        found.merge_vertices()
    assert found.is_watertight and found.is_winding_consistent


def test_vertex_colours_are_linear_in_a_glb_and_as_in_the_photo_elsewhere():
    tree, binary = tree_and_binary(written(figure()))
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    colors = np.frombuffer(binary, "<f4", accessor["count"] * 3, view["byteOffset"]).reshape(-1, 3)
    assert colors[3] == pytest.approx([0.21404] * 3, abs=1e-4)  # half grey reflects 21 %
    for kind in ("obj", "ply"):
        seen = np.asarray(loaded(written(figure(), kind), kind).visual.vertex_colors)[:, :3]
        assert {tuple(color) for color in seen.tolist()} == {(51, 102, 153), (255, 0, 0), (0, 255, 0), (128, 128, 128)}


def test_srgb_becomes_linear_light():
    assert linear_from_srgb(np.array([[0.0, 0.04045, 1.0]], np.float32)) == pytest.approx(
        np.array([[0, 0.0031308, 1]]), abs=1e-6
    )


def test_a_texture_is_inside_the_glb_and_colours_do_not_darken_it():
    tree, binary = tree_and_binary(written(figure(texture=True)))
    attributes = tree["meshes"][0]["primitives"][0]["attributes"]
    assert set(attributes) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    surface = tree["materials"][0]["pbrMetallicRoughness"]
    assert surface["metallicFactor"] == 0 and 0.9 <= surface["roughnessFactor"] <= 1
    view = tree["bufferViews"][tree["images"][0]["bufferView"]]
    image = np.asarray(Image.open(io.BytesIO(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])))
    assert image.shape == (8, 16, 3)
    assert np.abs(image[4, 12].astype(int) - (250, 120, 10)).max() < 12


@pytest.mark.parametrize("kind", list(MESH_FORMATS))
def test_the_same_mesh_makes_the_same_bytes(kind):
    assert written(figure(texture=True), kind) == written(figure(texture=True), kind)


def test_many_vertices_get_wide_indices():
    rows, columns = np.mgrid[0:260, 0:260].astype(np.float32)
    vertices = np.stack([np.zeros(67600), columns.ravel(), rows.ravel()], axis=-1).astype(np.float32) / 300
    corner = np.arange(67600).reshape(260, 260)
    faces = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:]], axis=-1).reshape(-1, 3)
    data = written(Mesh(vertices, faces))
    tree, _ = tree_and_binary(data)
    assert tree["accessors"][tree["meshes"][0]["primitives"][0]["indices"]]["componentType"] == 5125
    assert (loaded(data, "glb").faces == faces).all()


@pytest.mark.parametrize("kind", list(MESH_FORMATS))
@pytest.mark.parametrize(
    "mesh", [figure(colors=False), figure(texture=True), solid()], ids=["bare", "textured", "relief"]
)
def test_every_file_reads_back_as_its_mesh(mesh, kind):
    written(mesh, kind, check=True)


def test_a_checked_file_that_reads_back_as_another_mesh_is_an_error(monkeypatch):
    monkeypatch.setattr(
        export,
        "glb_bytes",
        lambda mesh, *_: glb_bytes(Mesh(mesh.vertices * 2, mesh.faces, None, None, mesh.normals)),
    )
    written(figure())
    with pytest.raises(RuntimeError, match="reads back"):
        written(figure(), check=True)


def test_what_cannot_be_a_file_is_refused():
    broken = figure()
    broken.vertices[2, 1] = np.nan
    for mesh, kind, up in (
        (figure(), "fbx", "y"),
        (figure(), "glb", "x"),
        (broken, "glb", "y"),
        (Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64)), "ply", "y"),
    ):
        with pytest.raises(ValueError):
            written(mesh, kind, up)


def test_every_format_of_the_table_has_a_writer():
    assert MESH_FORMATS.keys() == export.WRITERS.keys() == {"glb", "obj", "ply", "stl", "3mf", "usdz"}
    assert MESH_FORMATS["glb"].media_type == "model/gltf-binary"


def test_unlit_is_a_material_of_a_glb_alone():
    lit, unlit = (tree_and_binary(written(figure(), unlit=unlit))[0] for unlit in (False, True))
    assert "extensionsUsed" not in lit and "extensions" not in lit["materials"][0]
    assert unlit["extensionsUsed"] == ["KHR_materials_unlit"]
    assert unlit["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    assert written(figure(), "ply", unlit=True) == written(figure(), "ply")
