"""A GLB of ours comes back as the mesh that it was; any other gets one clear sentence."""

import json
import struct
import tracemalloc

import numpy as np
import pytest
import trimesh

from backend.contract.errors import (
    CallerError,
    MeshCorruptError,
    TooManyFacesError,
    TooManyPixelsError,
    UnsupportedMeshTypeError,
)
from backend.images.decoding.image_header import ImageLimits
from backend.mesh.read_glb import read_glb
from tests.helpers.small_meshes import figure, small_glb

LIMITS = ImageLimits()


def taken_apart(data):
    (size,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def put_together(tree, binary):
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def changed(change, texture=True):
    tree, binary = taken_apart(small_glb(texture))
    change(tree)
    return put_together(tree, binary)


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("texture", [False, True])
def test_a_mesh_comes_back_in_the_world_frame(up, texture):
    read = read_glb(small_glb(texture, up), LIMITS)
    assert (read.mesh.vertices == figure().vertices).all() and (read.mesh.faces == figure().faces).all()
    assert read.mesh.normals is not None and not read.unlit
    if texture:
        assert read.mesh.colors is None
        assert np.allclose(read.mesh.texture.uv, figure(True).texture.uv)
        assert np.abs(read.mesh.texture.image.astype(int) - figure(True).texture.image).max() < 12
    else:
        assert np.allclose(read.mesh.colors, figure().colors, atol=1e-6)


def test_unlit_is_remembered():
    assert read_glb(small_glb(unlit=True), LIMITS).unlit


def test_a_strangers_glb_is_read_where_it_is_one_mesh():
    ball = trimesh.creation.icosphere(2, 0.5)
    read = read_glb(ball.export(file_type="glb"), LIMITS)
    assert len(read.mesh.faces) == len(ball.faces)
    assert np.allclose(np.abs(read.mesh.vertices).max(axis=0), 0.5)


def test_nodes_place_and_mirror_the_mesh():
    def above(tree):
        tree["nodes"] = [
            {"children": [1], "translation": [0, 1, 0]},
            {"mesh": 0, "scale": [-2, 2, 2], "rotation": [0, 0, 0, 1]},
        ]

    mesh = read_glb(changed(above), LIMITS).mesh
    # The file's x is the world's y, its y the world's z.
    assert np.allclose(mesh.vertices, figure().vertices * [2, -2, 2] + [0, 0, 1])
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.volume == pytest.approx(0.008, rel=1e-3)


def edit(path, value):
    def change(tree):
        for step in path[:-1]:
            tree = tree[step]
        tree[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"glTF",
        b"PK\x03\x04" + b"\0" * 40,
        b"ply\nformat binary_little_endian 1.0\n",
        b"solid x",
        b'{"asset": {"version": "2.0"}}',
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        small_glb()[:4] + struct.pack("<I", 1) + small_glb()[8:],
        changed(edit(["buffers", 0, "uri"], "model.bin")),
        changed(edit(["buffers", 0, "uri"], "data:application/octet-stream;base64,AAAA")),
        changed(edit(["images", 0, "uri"], "http://localhost/x.jpg")),
        changed(edit(["images", 0, "uri"], "file:///etc/passwd")),
        changed(edit(["extensionsRequired"], ["KHR_draco_mesh_compression"])),
        changed(edit(["accessors", 0, "sparse"], {"count": 1})),
        changed(edit(["scenes", 0, "nodes"], [])),
        changed(edit(["meshes", 0, "primitives", 0, "mode"], 1)),
        changed(edit(["meshes", 0, "primitives", 0, "attributes"], {})),
        changed(lambda tree: tree["meshes"][0]["primitives"].append(tree["meshes"][0]["primitives"][0])),
    ],
    ids=range(18),
)
def test_what_is_no_mesh_of_ours_is_named(data):
    with pytest.raises((UnsupportedMeshTypeError, MeshCorruptError)) as refused:
        read_glb(data, LIMITS)
    assert refused.value.detail.endswith(".") and "/" not in refused.value.detail


@pytest.mark.parametrize(
    "data",
    [
        small_glb()[:40],
        small_glb()[:-4],
        put_together(b"{" * 100_000, b""),
        put_together(b"[" * 100_000, b""),
        put_together(b"null", b""),
        put_together(b'{"asset": {"version": "2.0"}}', b""),
        put_together(b" " * 2**21, b""),
        changed(edit(["nodes", 0, "children"], [0])),
        changed(edit(["nodes", 0, "mesh"], 7)),
        changed(edit(["nodes", 0, "mesh"], -1)),
        changed(edit(["nodes", 0, "scale"], [0, 0, 0])),
        changed(edit(["nodes", 0, "scale"], [1e300, 1e300, 1e300])),
        changed(edit(["nodes", 0, "matrix"], [1e400] * 16)),
        changed(edit(["scene"], 3)),
        changed(edit(["accessors", 0, "bufferView"], -2)),
        changed(edit(["accessors", 0, "count"], 5000)),
        changed(edit(["accessors", 0, "count"], 0)),
        changed(edit(["accessors", 0, "count"], "many")),
        changed(edit(["accessors", 0, "byteOffset"], 10**30)),
        changed(edit(["accessors", 0, "type"], "VEC2")),
        changed(edit(["bufferViews", 0, "byteLength"], 2**40)),
        changed(edit(["bufferViews", 0, "buffer"], 1)),
        changed(edit(["accessors", 3, "componentType"], 5126), texture=False),
        changed(edit(["accessors", 2, "count"], 3)),
        changed(edit(["images", 0, "bufferView"], 0)),
        changed(edit(["textures", 0, "source"], 4)),
        changed(edit(["textures"], [])),
        changed(edit(["meshes", 0, "primitives", 0, "material"], 9)),
        changed(edit(["meshes", 0, "primitives", 0, "attributes", "NORMAL"], 99)),
    ],
    ids=range(29),
)
def test_a_broken_file_is_an_error_of_the_caller(data):
    with pytest.raises(CallerError) as refused:
        read_glb(data, LIMITS)
    assert refused.value.detail.endswith(".")


def test_every_cut_and_many_changed_bytes_are_an_error_or_a_mesh():
    whole = small_glb()
    rng = np.random.default_rng(0)
    spoilt = [whole[:cut] for cut in range(0, len(whole), 7)]
    for _ in range(400):
        copy = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            copy[at] = rng.integers(256)
        spoilt.append(bytes(copy))
    for data in spoilt:
        try:
            mesh = read_glb(data, LIMITS).mesh
        except CallerError:
            continue
        assert np.isfinite(mesh.vertices).all() and len(mesh.faces)


def test_announced_sizes_are_refused_before_memory_is_taken():
    def many(tree):
        tree["accessors"][0]["count"] = 2**31

    with pytest.raises(TooManyFacesError) as refused:
        read_glb(changed(many), LIMITS)
    assert refused.value.numbers["actual"] == 2**31
    tracemalloc.start()
    with pytest.raises(CallerError):
        read_glb(changed(edit(["accessors", 0, "count"], 5_000_000)), LIMITS)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_texture_beyond_the_limits_is_not_decoded():
    with pytest.raises(TooManyPixelsError):
        read_glb(small_glb(), ImageLimits(max_pixels=100))
