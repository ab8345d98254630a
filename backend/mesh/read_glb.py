"""The bytes of a GLB, a stranger's -> the mesh in it, in the world frame.

Reads what `glb.py` writes and what editors save of it: one mesh of triangles with one material. Everything is bounded
before it is used, nothing outside of the file is read, and what is not read here is named in the error.
"""

import json
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from backend.contract.errors import MeshCorruptError, TooManyFacesError, UnsupportedMeshTypeError
from backend.contract.mesh_formats import Up
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
from backend.mesh.glb import QUANTIZED, UNLIT, WEBP, srgb_from_linear
from backend.mesh.mesh import Mesh, Texture
from backend.mesh.placing import to_world

MAX_FACES = 2_000_000
MAX_VERTICES = 3 * MAX_FACES
MAX_JSON_BYTES = 2**20  # ours has 2 KB
MAX_NODES = 1000
MAX_COORDINATE = 1e9
READ_EXTENSIONS = {QUANTIZED, UNLIT, WEBP}
TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
OTHERS = {  # first bytes -> what such a file is
    b"PK\x03\x04": "a zip, as OBJ with a texture, 3MF and USDZ are",
    b"ply": "a PLY file",
    b"solid": "an STL file",
    b"Kaydara": "an FBX file",
    b"{": "glTF as text",
    b"#": "an OBJ file",
    b"v ": "an OBJ file",
}


@dataclass(frozen=True)
class Read:
    """The mesh of a file, and what the file says of how it is shown."""

    mesh: Mesh  # in the world frame
    unlit: bool
    sized: bool  # its numbers are metres, because a height was asked for when it was made


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


Index = int  # of a row in one of the file's lists
Number = Annotated[float, Field(ge=-1e6, le=1e6)]  # so that no product of two overflows


class _Buffer(_Part):
    uri: str | None = None


class _View(_Part):
    buffer: Index
    byte_offset: int = Field(0, ge=0)
    byte_length: int = Field(ge=1)
    byte_stride: int | None = Field(None, ge=4, le=252)


class _Accessor(_Part):
    buffer_view: Index
    byte_offset: int = Field(0, ge=0)
    component_type: Literal[5120, 5121, 5122, 5123, 5125, 5126]
    count: int = Field(ge=1)
    type: Literal["SCALAR", "VEC2", "VEC3", "VEC4"]
    normalized: bool = False
    sparse: Any = None


class _Primitive(_Part):
    attributes: dict[str, Index]
    indices: Index | None = None
    material: Index | None = None
    mode: int = 4


class _Mesh(_Part):
    primitives: list[_Primitive] = Field(min_length=1)


class _Node(_Part):
    mesh: Index | None = None
    children: list[Index] = []
    matrix: list[Number] | None = Field(None, min_length=16, max_length=16)
    translation: list[Number] = Field([0, 0, 0], min_length=3, max_length=3)
    rotation: list[Number] = Field([0, 0, 0, 1], min_length=4, max_length=4)
    scale: list[Number] = Field([1, 1, 1], min_length=3, max_length=3)

    def transform(self) -> NDArray[np.float64]:
        if self.matrix is not None:
            return np.array(self.matrix).reshape(4, 4).T
        x, y, z, w = self.rotation
        turn = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                         [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                         [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])  # fmt: skip
        full = np.eye(4)
        full[:3, :3] = turn * self.scale
        full[:3, 3] = self.translation
        return full


class _Scene(_Part):
    nodes: list[Index] = []


class _TextureUse(_Part):
    index: Index
    tex_coord: int = Field(0, ge=0)


class _Surface(_Part):
    base_color_texture: _TextureUse | None = None


class _Material(_Part):
    pbr_metallic_roughness: _Surface = _Surface()
    extensions: dict[str, Any] = {}


class _Texture(_Part):
    source: Index | None = None
    extensions: dict[str, Any] = {}

    @property
    def picture(self) -> Index | None:
        """The row of its picture; a WebP stands in an extension."""
        webp = self.extensions.get(WEBP)
        source = webp.get("source") if isinstance(webp, dict) else None
        return source if isinstance(source, int) else self.source


class _Image(_Part):
    uri: str | None = None
    buffer_view: Index | None = None


class _Asset(_Part):
    version: str
    extras: Any = None

    @property
    def up(self) -> Up:
        """The axis that the object stands along: glTF's own unless `export_mesh` wrote down another."""
        return "z" if self._extra("up") == "z" else "y"

    @property
    def sized(self) -> bool:
        return bool(self._extra("unit") == "m")

    def _extra(self, name: str) -> Any:
        return self.extras.get(name) if isinstance(self.extras, dict) else None


class _Gltf(_Part):
    asset: _Asset
    scene: Index = 0
    scenes: list[_Scene] = Field(min_length=1)
    nodes: list[_Node] = Field(min_length=1, max_length=MAX_NODES)
    meshes: list[_Mesh] = []
    materials: list[_Material] = []
    textures: list[_Texture] = []
    images: list[_Image] = []
    accessors: list[_Accessor] = []
    buffer_views: list[_View] = []
    buffers: list[_Buffer] = []
    extensions_required: list[str] = []


def read_glb(data: bytes, limits: ImageLimits) -> Read:
    """Return the mesh of a GLB; `limits` are those of its texture.

    Raises UnsupportedMeshTypeError for other files, and for a GLB of more than one mesh or with extensions that are not
    read here or data outside of the file; MeshCorruptError; TooManyFacesError; and the errors of `read_picture`.
    """
    tree, binary = _chunks(data)
    try:
        gltf = _Gltf.model_validate(tree)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"][:4])
        raise MeshCorruptError(f"The GLB is not valid at {where[:60]}.") from error
    _check_supported(gltf)
    try:
        return _read(gltf, binary, limits)
    except (IndexError, ValueError, OverflowError) as error:  # a number that points nowhere
        raise MeshCorruptError("The GLB contradicts itself: a part that it names is not in it.") from error


def _chunks(data: bytes) -> tuple[Any, memoryview]:
    """Return the JSON and the binary chunk."""
    if data[:4] != b"glTF":
        what = next((name for start, name in OTHERS.items() if data.startswith(start)), "not a GLB")
        raise UnsupportedMeshTypeError(f"This file is {what}; send a GLB as generate-mesh writes it.")
    if len(data) < 20:
        raise MeshCorruptError("The GLB ends too early.")
    version, length, size, kind = struct.unpack_from("<III4s", data, 4)
    if version != 2:
        raise UnsupportedMeshTypeError(f"This GLB is of version {version}; version 2 is read here.")
    if length > len(data) or 20 + size > length:
        raise MeshCorruptError("The GLB ends too early.")
    if kind != b"JSON" or size > MAX_JSON_BYTES:
        raise MeshCorruptError("The GLB does not begin with a description of its parts that is under 1 MiB.")
    try:
        tree = json.loads(data[20 : 20 + size])
    except (ValueError, RecursionError) as error:
        raise MeshCorruptError("The description of the GLB's parts is not valid JSON.") from error
    rest = memoryview(data)[20 + size : length]
    if len(rest) < 8:
        return tree, rest[:0]
    size, kind = struct.unpack_from("<I4s", rest)
    if kind != b"BIN\0" or 8 + size > len(rest):
        raise MeshCorruptError("The GLB ends too early.")
    return tree, rest[8 : 8 + size]


def _check_supported(gltf: _Gltf) -> None:
    if any(buffer.uri is not None for buffer in gltf.buffers) or any(image.uri is not None for image in gltf.images):
        raise UnsupportedMeshTypeError("The GLB keeps a part outside of itself, and nothing is fetched; embed it.")
    unread = sorted(set(gltf.extensions_required) - READ_EXTENSIONS)
    if unread:
        raise UnsupportedMeshTypeError(f"The GLB needs {unread[0][:60]}, which is not read here; save it without.")
    if any(accessor.sparse is not None for accessor in gltf.accessors):
        raise UnsupportedMeshTypeError("The GLB has sparse data, which is not read here; save it without.")


def _read(gltf: _Gltf, binary: memoryview, limits: ImageLimits) -> Read:
    primitive, transform = _the_mesh(gltf)
    positions = _rows(gltf, binary, primitive.attributes["POSITION"], 3, MAX_VERTICES)
    if primitive.indices is None:
        flat = np.arange(len(positions))
    else:
        accessor = _at(gltf.accessors, primitive.indices)
        if accessor.component_type not in (5121, 5123, 5125):
            raise ValueError("indices are whole numbers")
        flat = _rows(gltf, binary, primitive.indices, 1, 3 * MAX_FACES)[:, 0].astype(np.int64)
    faces = flat[: len(flat) // 3 * 3].reshape(-1, 3)
    vertices, normals, faces = _moved(transform, positions, _optional(gltf, binary, primitive, "NORMAL", 3), faces)
    colors = _optional(gltf, binary, primitive, "COLOR_0", None)
    material = _Material() if primitive.material is None else _at(gltf.materials, primitive.material)
    mesh = Mesh(
        vertices,
        faces,
        None if colors is None else srgb_from_linear(colors[:, :3]),
        _texture(gltf, binary, primitive, material, limits),
        normals,
    )
    if not len(mesh.faces):
        raise MeshCorruptError("The GLB has no face.")
    return Read(to_world(mesh, gltf.asset.up), UNLIT in material.extensions, gltf.asset.sized)


def _the_mesh(gltf: _Gltf) -> tuple[_Primitive, NDArray[np.float64]]:
    """Return the one piece of the scene and the way from its coordinates to the file's."""
    found: list[tuple[_Mesh, NDArray[np.float64]]] = []
    seen: set[int] = set()
    open_nodes = [(index, np.eye(4)) for index in _at(gltf.scenes, gltf.scene).nodes]
    while open_nodes:
        index, above = open_nodes.pop()
        if index in seen:
            raise MeshCorruptError("The GLB has a node in two places.")
        seen.add(index)
        node = _at(gltf.nodes, index)
        transform = above @ node.transform()
        if np.abs(transform).max() > MAX_COORDINATE:
            raise MeshCorruptError("The GLB has coordinates that are not finite.")
        if node.mesh is not None:
            found.append((_at(gltf.meshes, node.mesh), transform))
        open_nodes += [(child, transform) for child in node.children]
    pieces = [(primitive, transform) for mesh, transform in found for primitive in mesh.primitives]
    if len(pieces) != 1:
        raise UnsupportedMeshTypeError(
            f"The GLB has {len(pieces)} pieces of mesh; join them into one with one material.", actual=len(pieces)
        )
    if pieces[0][0].mode != 4 or "POSITION" not in pieces[0][0].attributes:
        raise UnsupportedMeshTypeError("The GLB holds no triangles.")
    return pieces[0]


def _moved(
    transform: NDArray[np.float64],
    positions: NDArray[np.float32],
    normals: NDArray[np.float32] | None,
    faces: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.int64]]:
    linear = transform[:3, :3]
    volume = np.linalg.det(linear)
    with np.errstate(all="ignore"):  # what comes of it is checked below
        vertices = (positions @ linear.T + transform[:3, 3]) if (transform != np.eye(4)).any() else positions
    if not (np.abs(vertices) < MAX_COORDINATE).all() or not abs(volume) > 1e-30:
        raise MeshCorruptError("The GLB has coordinates that are not finite.")
    if normals is not None:
        with np.errstate(all="ignore"):  # normals that are none are computed from the faces
            turned = normals @ np.linalg.inv(linear) if (linear != np.eye(3)).any() else normals.astype(np.float64)
            length = np.linalg.norm(turned, axis=1, keepdims=True)
            usable = np.isfinite(length).all() and bool((length > 1e-9).all())
            normals = (turned / length).astype(np.float32) if usable else None
    return vertices.astype(np.float32), normals, faces if volume > 0 else faces[:, ::-1]


def _texture(
    gltf: _Gltf, binary: memoryview, primitive: _Primitive, material: _Material, limits: ImageLimits
) -> Texture | None:
    use = material.pbr_metallic_roughness.base_color_texture
    if use is None:
        return None
    uv = _optional(gltf, binary, primitive, f"TEXCOORD_{use.tex_coord}", 2)
    source = _at(gltf.textures, use.index).picture
    if uv is None or source is None:
        raise ValueError("a texture has a picture and places on it")
    view = _at(gltf.images, source).buffer_view
    if view is None:
        raise ValueError("a picture is in the file")
    return Texture(uv, read_picture(bytes(_bytes(gltf, binary, view)), limits).image)


def _optional(
    gltf: _Gltf, binary: memoryview, primitive: _Primitive, name: str, width: int | None
) -> NDArray[np.float32] | None:
    index = primitive.attributes.get(name)
    return None if index is None else _rows(gltf, binary, index, width, MAX_VERTICES)


def _rows(gltf: _Gltf, binary: memoryview, index: int, width: int | None, limit: int) -> NDArray[Any]:
    """Return the rows of an accessor, (count, width): float32, or whole numbers as they are for a width of 1.

    None: three or four, as colours have. Raises ValueError for another width, TooManyFacesError.
    """
    accessor = _at(gltf.accessors, index)
    if accessor.count > limit:
        raise TooManyFacesError(
            f"The mesh has more than {MAX_FACES:,} faces or {MAX_VERTICES:,} vertices.",
            limit=limit,
            actual=accessor.count,
        )
    found = WIDTHS[accessor.type]
    if found != width and not (width is None and found in (3, 4)):
        raise ValueError("an attribute has another width")
    kind = np.dtype(TYPES[accessor.component_type])
    part = _bytes(gltf, binary, accessor.buffer_view)
    stride = _at(gltf.buffer_views, accessor.buffer_view).byte_stride or found * kind.itemsize
    if accessor.byte_offset + (accessor.count - 1) * stride + found * kind.itemsize > len(part):
        raise ValueError("an accessor ends outside of its part")
    shape = (accessor.count, found)
    rows = np.ndarray(shape, kind, part, accessor.byte_offset, (stride, kind.itemsize))
    if width == 1:
        return rows.copy()
    if kind.kind == "f" and not np.isfinite(rows).all():
        raise MeshCorruptError("The GLB has coordinates that are not finite.")
    values = rows.astype(np.float32)
    if accessor.normalized and kind.kind != "f":
        values = np.maximum(values / np.float32(np.iinfo(kind).max), np.float32(-1.0))
    return values


def _bytes(gltf: _Gltf, binary: memoryview, index: int) -> memoryview:
    view = _at(gltf.buffer_views, index)
    if view.buffer != 0 or view.byte_offset + view.byte_length > len(binary):
        raise ValueError("a view ends outside of the file")
    return binary[view.byte_offset : view.byte_offset + view.byte_length]


def _at(rows: list[Any], index: int) -> Any:
    if index < 0:  # Python counts those from the end
        raise IndexError(index)
    return rows[index]
