"""Mesh in a file's frame -> a USDZ: a text layer and the texture in a zip as AR Quick Look reads it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from backend.contract.mesh_formats import Up
from backend.images.encode import encode_jpeg
from backend.mesh.glb import JPEG_QUALITY, linear_from_srgb
from backend.mesh.mesh import Mesh
from backend.mesh.zipped import zipped

ALIGN = 64  # bytes, of every file in the zip
SHORT = 4  # digits of normals, colours and places on the texture: an eighth of a texel of 1,024
LAYER = """#usda 1.0
(
    defaultPrim = "object"
    metersPerUnit = 1
    upAxis = "{up}"
)

def Xform "object" (
    kind = "component"
)
{{
    def Mesh "surface" (
        prepend apiSchemas = ["MaterialBindingAPI"]
    )
    {{
        uniform bool doubleSided = 0
        uniform token subdivisionScheme = "none"
        float3[] extent = [{extent}]
        int[] faceVertexCounts = [{counts}]
        int[] faceVertexIndices = [{indices}]
        point3f[] points = [{points}]
        normal3f[] normals = [{normals}] (
            interpolation = "vertex"
        )
{paint}        rel material:binding = </object/photo>
    }}

    def Material "photo"
    {{
        token outputs:surface.connect = </object/photo/shader.outputs:surface>

        def Shader "shader"
        {{
            uniform token info:id = "UsdPreviewSurface"
            {color}
            float inputs:metallic = 0
            float inputs:roughness = 0.95
            token outputs:surface
        }}
{readers}    }}
}}
"""
TEXTURE_READERS = """
        def Shader "places"
        {
            uniform token info:id = "UsdPrimvarReader_float2"
            string inputs:varname = "st"
            float2 outputs:result
        }

        def Shader "texture"
        {
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @texture.jpg@
            token inputs:sourceColorSpace = "sRGB"
            float2 inputs:st.connect = </object/photo/places.outputs:result>
            token inputs:wrapS = "clamp"
            token inputs:wrapT = "clamp"
            float3 outputs:rgb
        }
"""
COLOR_READER = """
        def Shader "colors"
        {
            uniform token info:id = "UsdPrimvarReader_float3"
            string inputs:varname = "displayColor"
            float3 outputs:result
        }
"""


def usdz_bytes(mesh: Mesh, up: Up = "y", texture_quality: int = JPEG_QUALITY) -> bytes:
    """Return the USDZ of a mesh with normals, in metres: its texture as a JPEG, or else its colours as `displayColor`.

    Raises ValueError for a mesh without normals.
    """
    if mesh.normals is None:
        raise ValueError("a mesh for a USDZ needs normals")
    paint, color, readers = "", "color3f inputs:diffuseColor = (0.8, 0.8, 0.8)", ""
    parts: dict[str, bytes] = {}
    if mesh.texture is not None:
        st = np.stack([mesh.texture.uv[:, 0], 1.0 - mesh.texture.uv[:, 1]], axis=-1)  # from the lower left corner
        paint = _primvar("texCoord2f[] primvars:st", st)
        color = "color3f inputs:diffuseColor.connect = </object/photo/texture.outputs:rgb>"
        readers = TEXTURE_READERS
        parts["texture.jpg"] = encode_jpeg(mesh.texture.image, texture_quality)
    elif mesh.colors is not None:
        paint = _primvar("color3f[] primvars:displayColor", linear_from_srgb(mesh.colors))
        color = "color3f inputs:diffuseColor.connect = </object/photo/colors.outputs:result>"
        readers = COLOR_READER
    layer = LAYER.format(
        up=up.upper(),
        extent=_tuples(np.stack([mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)])),
        counts=", ".join(["3"] * len(mesh.faces)),
        indices=", ".join(map(str, mesh.faces.reshape(-1).tolist())),
        points=_tuples(mesh.vertices),
        normals=_tuples(mesh.normals, SHORT),
        paint=paint,
        color=color,
        readers=readers,
    )
    return zipped({"model.usda": layer.encode(), **parts}, ALIGN)  # the layer has to be the first


def _primvar(name: str, rows: NDArray[np.floating]) -> str:
    return f'        {name} = [{_tuples(rows, SHORT)}] (\n            interpolation = "vertex"\n        )\n'


def _tuples(rows: NDArray[np.floating], digits: int = 7) -> str:
    form = "(" + ", ".join([f"%.{digits}g"] * rows.shape[1]) + ")"
    texts: Iterable[str] = (form % tuple(row) for row in rows.tolist())
    return ", ".join(texts)
