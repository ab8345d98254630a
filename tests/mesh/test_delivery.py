"""The last stage: what a preset and the options make of a mesh, read back from the file."""

import io
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.mesh_presets import MESH_PRESETS
from backend.contract.options import MeshFileOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.decoding.image_header import ImageLimits
from backend.mesh.export import export_mesh
from backend.mesh.mesh import Mesh
from backend.mesh.obj import obj_files
from backend.mesh.placing import place
from backend.mesh.read_glb import read_glb
from backend.mesh.texture import bake_texture
from backend.pipeline import convert_mesh
from tests.mesh.test_export import issues_of

SETTINGS = Settings()


def egg():
    """A textured ellipsoid of its own measure along each axis, 1.0 high."""
    shape = trimesh.creation.icosphere(4, 0.5)
    shape.apply_scale((0.6, 0.8, 1.0))
    mesh = Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))
    return bake_texture(mesh, lambda points: np.where(points[:, 2:] > 0, [[1, 0, 0]], [[0, 0, 1]]).astype(np.float32))


EGG = export_mesh(place(egg()))


def converted(**options):
    trace = Trace()
    made = convert_mesh(EGG, MeshFileOptions(**options), engines=Engines(SETTINGS), trace=trace)
    return made, trace


def points_of(made, tmp_path):
    """Return the points and faces of a file, as a program that knows its format reads them."""
    data, ending = made.file.data, made.file.name.rpartition(".")[2]
    if ending == "3mf":
        wrapper = pytest.importorskip("lib3mf").get_wrapper()
        (tmp_path / "x.3mf").write_bytes(data)
        model = wrapper.CreateModel()
        model.QueryReader("3mf").ReadFromFile(str(tmp_path / "x.3mf"))
        objects = model.GetMeshObjects()
        objects.MoveNext()
        solid = objects.GetCurrentMeshObject()
        points = np.array([list(vertex.Coordinates) for vertex in solid.GetVertices()])
        return points, np.array([list(face.Indices) for face in solid.GetTriangleIndices()])
    if ending == "usdz":
        usd = pytest.importorskip("pxr.Usd")
        (tmp_path / "x.usdz").write_bytes(data)
        stage = usd.Stage.Open(str(tmp_path / "x.usdz"))  # prims end with it
        surface = stage.GetPrimAtPath("/object/surface")
        faces = np.array(surface.GetAttribute("faceVertexIndices").Get()).reshape(-1, 3)
        return np.array(surface.GetAttribute("points").Get()), faces
    if ending == "zip":
        found = trimesh.load(io.BytesIO(obj_files(data, "x")["x.obj"]), file_type="obj", force="mesh", process=False)
        return found.vertices, found.faces
    mesh = place(read_glb(data, ImageLimits()).mesh).mesh  # trimesh does not read quantised numbers
    return mesh.vertices, mesh.faces


HALF = {"blender": 0.5, "unity": 0.5, "unreal": 0.5, "ar": 0.15, "print": 50.0, "web": 0.5}  # of the height
UP = {"print": 2}


@pytest.mark.parametrize("name", list(MESH_PRESETS))
def test_a_preset_reads_back_as_it_promises(name, tmp_path):
    made, _ = converted(preset=name)
    points, faces = points_of(made, tmp_path)
    promised, half, up = MESH_PRESETS[name].options, HALF[name], UP.get(name, 1)
    low, high = points.min(axis=0), points.max(axis=0)
    size = 2 * half * np.array([0.8, 0.6, 0.6])
    size[up] = 2 * half
    assert np.allclose(high - low, size, rtol=0.03)
    assert (high - low)[up] == pytest.approx(2 * half, rel=1e-2 if name == "web" else 1e-4)
    middle = (low + high) / 2
    middle[up] -= half if promised["pivot"] == "foot" else 0.0
    assert np.allclose(middle, 0, atol=1e-3 * half)
    assert len(faces) <= promised.get("target_faces", 30_000)
    assert np.allclose(made.report.mesh.bounds, [low, high], atol=1e-3 * half)
    assert made.report.mesh.watertight and made.report.options["preset"] == name


def test_a_print_stands_on_a_flat_foot_at_z_0(tmp_path):
    made, trace = converted(preset="print", height_mm=50)
    points, faces = points_of(made, tmp_path)
    assert points[:, 2].min() == 0.0 and points[:, 2].max() == pytest.approx(50, abs=1e-3)
    corners = points[faces]
    flat = (corners[:, :, 2] == 0).all(axis=1)
    area = (
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[flat], axis=1).sum() / 2
    )
    assert area > 25
    assert made.report.mesh.wall_mm > 5 and not [note for note in trace.notes if "walls" in note]


def test_thin_walls_are_told_of_a_print_alone():
    _, small = converted(preset="print", height_mm=1)
    assert any("printers need" in note for note in small.notes)
    _, glb = converted(preset="blender", height_mm=1)
    assert not any("printers" in note for note in glb.notes)
    assert converted()[0].report.mesh.wall_mm is None


def test_what_is_given_by_name_wins(tmp_path):
    made, _ = converted(preset="print", format="stl", up="y", height_m=0.02, flat_foot=False)
    found = trimesh.load(io.BytesIO(made.file.data), file_type="stl")
    assert np.ptp(found.bounds, axis=0)[1] == pytest.approx(20, rel=1e-4)
    options = MeshOptions(preset="web", texture="vertex", target_faces=900, quantize=False)
    assert (options.texture, options.target_faces, options.quantize, options.texture_px) == ("vertex", 900, False, 1024)
    assert MeshOptions.model_validate(options.model_dump()) == options


@pytest.mark.parametrize("name", list(MESH_PRESETS))
def test_every_preset_names_options_that_there_are(name):
    filled = MeshOptions(preset=name)
    for key, value in MESH_PRESETS[name].options.items():
        assert getattr(filled, key) == value
    assert filled.format in MESH_FORMATS


def test_the_khronos_validator_has_nothing_to_say_against_a_preset():
    for name, preset in MESH_PRESETS.items():
        if preset.options["format"] == "glb":
            issues = issues_of(converted(preset=name)[0].file.data)
            assert issues["numErrors"] == 0 and issues["numWarnings"] == 0, issues["messages"]


def image_of(data):
    (size,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + size])
    view = tree["bufferViews"][tree["images"][0]["bufferView"]]
    begin = 28 + size + view["byteOffset"]
    return Image.open(io.BytesIO(data[begin : begin + view["byteLength"]]))


def test_the_texture_has_the_size_and_quality_that_are_asked_for():
    plain, small, poor = (
        converted(**options)[0].file.data for options in ({}, {"texture_px": 256}, {"texture_quality": 40})
    )
    assert max(image_of(small).size) == 256 and image_of(plain).size == image_of(poor).size
    assert len(poor) < len(plain)


def test_a_webp_has_fewer_bytes_and_reads_back():
    plain = read_glb(converted()[0].file.data, ImageLimits()).mesh
    jpeg, webp = (converted(texture_format=kind, texture_quality=80)[0].file.data for kind in ("jpeg", "webp"))
    assert image_of(webp).format == "WEBP" and len(webp) < len(jpeg)
    found = read_glb(webp, ImageLimits()).mesh.texture.image
    assert np.abs(found.astype(int) - plain.texture.image).mean() < 4


def test_quantised_numbers_read_back_within_their_step():
    plain = read_glb(converted()[0].file.data, ImageLimits()).mesh
    data = converted(quantize=True)[0].file.data
    found = read_glb(data, ImageLimits()).mesh
    assert np.abs(found.vertices - plain.vertices).max() <= 1.0 / 65535
    assert (found.faces == plain.faces).all()
    assert np.abs(found.texture.uv - plain.texture.uv).max() <= 1.0 / 65535
    assert (np.sum(found.normals * plain.normals, axis=1) > 0.999).all()
    assert len(data) < 0.8 * len(converted()[0].file.data)


def test_what_a_format_cannot_hold_is_told():
    _, trace = converted(format="stl", quantize=True, shading="unlit", texture_format="webp")
    assert sum("was ignored" in note for note in trace.notes) == 3


def test_loose_parts_for_which_there_are_too_few_faces_are_told():
    balls = []
    for number in range(20):
        ball = trimesh.creation.icosphere(2, 0.02 + 0.01 * number)
        ball.apply_translation((number, 0, 1))
        balls.append(ball)
    shape = trimesh.util.concatenate(balls)
    data = export_mesh(place(Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))))
    for faces, kept in ((100, 12), (160, 20)):
        trace = Trace()
        made = convert_mesh(data, MeshFileOptions(target_faces=faces), engines=Engines(SETTINGS), trace=trace)
        assert made.report.mesh.components == kept
        told = [note for note in trace.notes if "left out" in note]
        assert [note.split(",")[0] for note in told] == ([] if kept == 20 else ["8 of 20 loose parts were left out"])
        assert not told or "target_faces=160 keeps them" in told[0]
