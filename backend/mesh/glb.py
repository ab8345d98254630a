"""Mesh in glTF's frame -> one GLB file (glTF 2.0) that the Khronos validator accepts without a warning."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backend.images.encode import encode_jpeg, encode_webp
from backend.mesh.mesh import Mesh

FLOAT, UNSIGNED_INT, UNSIGNED_SHORT, BYTE = 5126, 5125, 5123, 5120
WHOLE = {UNSIGNED_SHORT: "<u2", BYTE: "i1"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
CLAMP_TO_EDGE, LINEAR, LINEAR_MIPMAP_LINEAR = 33071, 9729, 9987
JPEG_QUALITY = 99  # 19 of 20 values are then within 2 of 255 of the photo; at 94 within 6
GENERATOR = "Mattemesh"
UNLIT, QUANTIZED, WEBP = "KHR_materials_unlit", "KHR_mesh_quantization", "EXT_texture_webp"


class _Buffer:
    """The binary chunk under construction, with the JSON's views and accessors of it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, payload: bytes, target: int | None = None) -> int:
        """Append bytes, aligned to four as every component type requires at most; return the view's index."""
        self.data += b"\0" * (-len(self.data) % 4)
        entry: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(payload)}
        if target is not None:
            entry["target"] = target
        self.data += payload
        self.views.append(entry)
        return len(self.views) - 1

    def accessor(self, rows: NDArray[np.float32], kind: str, bounds: bool = False) -> int:
        """Append float rows and return the accessor's index; glTF requires `bounds` for positions."""
        entry: dict[str, Any] = {
            "bufferView": self.view(np.ascontiguousarray(rows, "<f4").tobytes(), ARRAY_BUFFER),
            "componentType": FLOAT,
            "count": len(rows),
            "type": kind,
        }
        if bounds:
            entry |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def quantized(self, rows: NDArray[np.float32], kind: str, component: int, bounds: bool = False) -> int:
        """Append rows in [−1, 1] as normalised whole numbers, each row padded to a multiple of four bytes."""
        dtype = np.dtype(WHOLE[component])
        stride = -(-rows.shape[1] * dtype.itemsize // 4) * 4
        stored = np.zeros((len(rows), stride // dtype.itemsize), dtype)
        whole = np.rint(rows.astype(np.float64) * np.iinfo(dtype).max)
        stored[:, : rows.shape[1]] = whole
        entry: dict[str, Any] = {
            "bufferView": self.view(stored.tobytes(), ARRAY_BUFFER),
            "componentType": component,
            "normalized": True,
            "count": len(rows),
            "type": kind,
        }
        if stride != rows.shape[1] * dtype.itemsize:
            self.views[-1]["byteStride"] = stride
        if bounds:
            entry |= {"min": whole.min(axis=0).astype(int).tolist(), "max": whole.max(axis=0).astype(int).tolist()}
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def indices(self, faces: NDArray[np.int64], vertices: int) -> int:
        """Append the faces' vertex indices, in 16 bits where they fit, and return the accessor's index."""
        short = vertices <= 65535  # glTF reserves the index 65535 for primitive restart
        kind = np.dtype("<u2") if short else np.dtype("<u4")
        self.accessors.append(
            {
                "bufferView": self.view(faces.astype(kind).tobytes(), ELEMENT_ARRAY_BUFFER),
                "componentType": UNSIGNED_SHORT if short else UNSIGNED_INT,
                "count": faces.size,
                "type": "SCALAR",
            }
        )
        return len(self.accessors) - 1


@dataclass(frozen=True)
class GlbStyle:
    """How a GLB stores and shows a mesh."""

    unlit: bool = False  # viewers show the colours without any light of their own (KHR_materials_unlit)
    texture_quality: int = JPEG_QUALITY  # 1 to 100
    texture_format: Literal["jpeg", "webp"] = "jpeg"
    quantized: bool = False  # vertices in 16 bits, normals in 8 (KHR_mesh_quantization)


def glb_bytes(mesh: Mesh, style: GlbStyle | None = None, extras: Mapping[str, str] | None = None) -> bytes:
    """Return the GLB of a mesh with normals: its texture as an embedded JPEG, or else its vertex colours as COLOR_0.

    `extras` are written down for `read_glb`.

    Raises ValueError for a mesh without normals.
    """
    style = style or GlbStyle()
    is_webp = style.texture_format == "webp" and mesh.texture is not None
    if mesh.normals is None:
        raise ValueError("a mesh for a GLB needs normals")
    buffer = _Buffer()
    node: dict[str, Any] = {"mesh": 0, "name": "object"}
    if style.quantized:
        low = mesh.vertices.min(axis=0).astype(np.float64)
        size = max(
            float(np.ptp(mesh.vertices, axis=0).max()), 1e-12
        )  # of all axes: another for each would skew normals
        node |= {"translation": low.tolist(), "scale": [size] * 3}
        shares = ((mesh.vertices - low) / size).clip(0.0, 1.0).astype(np.float32)
        attributes = {
            "POSITION": buffer.quantized(shares, "VEC3", UNSIGNED_SHORT, bounds=True),
            "NORMAL": buffer.quantized(_unit(mesh.normals), "VEC3", BYTE),
        }
    else:
        attributes = {
            "POSITION": buffer.accessor(mesh.vertices, "VEC3", bounds=True),
            "NORMAL": buffer.accessor(_unit(mesh.normals), "VEC3"),
        }
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.95}
    tree: dict[str, Any] = {}

    def shares_of(rows: NDArray[np.float32], kind: str) -> int:
        within = rows.clip(0.0, 1.0)
        return buffer.quantized(within, kind, UNSIGNED_SHORT) if style.quantized else buffer.accessor(rows, kind)

    if mesh.texture is not None:
        attributes["TEXCOORD_0"] = shares_of(mesh.texture.uv, "VEC2")
        surface["baseColorTexture"] = {"index": 0}
        encode = encode_webp if style.texture_format == "webp" else encode_jpeg
        picture = encode(mesh.texture.image, style.texture_quality)
        tree["images"] = [{"bufferView": buffer.view(picture), "mimeType": f"image/{style.texture_format}"}]
        source: dict[str, Any] = {"source": 0}
        tree["textures"] = [{"sampler": 0} | ({"extensions": {WEBP: source}} if is_webp else source)]
        tree["samplers"] = [
            {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}
        ]
    elif mesh.colors is not None:
        attributes["COLOR_0"] = shares_of(linear_from_srgb(mesh.colors), "VEC3")
    primitive = {"attributes": attributes, "indices": buffer.indices(mesh.faces, len(mesh.vertices)), "material": 0}
    material: dict[str, Any] = {"pbrMetallicRoughness": surface, "name": "photo"}
    if style.unlit:
        material["extensions"] = {UNLIT: {}}
    needed = [QUANTIZED] * style.quantized + [WEBP] * is_webp
    if needed or style.unlit:
        tree["extensionsUsed"] = [UNLIT] * style.unlit + needed
    if needed:
        tree["extensionsRequired"] = needed
    tree |= {
        "asset": {"version": "2.0", "generator": GENERATOR} | ({"extras": dict(extras)} if extras else {}),
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": [primitive], "name": "object"}],
        "materials": [material],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return _packed(tree, bytes(buffer.data))


def linear_from_srgb(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sRGB colours in [0, 1] as linear light, which glTF defines for COLOR_0 (IEC 61966-2-1)."""
    clipped = np.clip(colors, 0.0, 1.0)
    linear = np.where(clipped <= 0.04045, clipped / 12.92, ((clipped + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def srgb_from_linear(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return linear light as sRGB colours in [0, 1]: the counterpart of `linear_from_srgb`."""
    clipped = np.clip(light, 0.0, 1.0)
    colors = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return colors.astype(np.float32)


def _unit(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
    unit = np.where(length > 1e-9, normals / np.maximum(length, 1e-9), (0.0, 1.0, 0.0))
    return unit.astype(np.float32)


def _packed(tree: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
