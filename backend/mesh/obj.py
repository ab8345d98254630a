"""Mesh in a file's frame -> a zip of an OBJ, its MTL and the texture; and that zip -> its files under another name.

Each corner of a face names place, texture coordinate and normal by themselves, so the surface is closed although the
texture has seams.
"""

import io
import zipfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from backend.images.encode import encode_rgb_png
from backend.mesh.mesh import Mesh
from backend.mesh.topology import weld
from backend.mesh.zipped import zipped

STEM, TEXTURE_STEM = "model", "model_texture"
DIGITS = "%.7g"
MATERIAL = """# Mattemesh
newmtl photo
Ka 0 0 0
Kd 1 1 1
Ks 0 0 0
d 1
illum 1
map_Kd {texture}.png
"""


def obj_bytes(mesh: Mesh) -> bytes:
    """Return the zip: `model.obj`, and with a texture `model.mtl` and `model_texture.png`; without one the OBJ has
    colours per vertex, if any. Raises ValueError for a mesh without normals."""
    if mesh.normals is None:
        raise ValueError("a mesh for an OBJ needs normals")
    welded = weld(mesh)
    places = welded.points
    textured = mesh.texture is not None
    if mesh.colors is not None and not textured:
        places = np.concatenate([places, np.clip(mesh.colors[welded.source], 0.0, 1.0)], axis=1)
    lines = ["# Mattemesh", *([f"mtllib {STEM}.mtl", "usemtl photo"] if textured else [])]
    lines += _rows("v", places)
    if mesh.texture is not None:
        lines += _rows("vt", np.stack([mesh.texture.uv[:, 0], 1.0 - mesh.texture.uv[:, 1]], axis=-1))
    lines += _rows("vn", mesh.normals)
    corner = "%d/%d/%d" if textured else "%d//%d"
    place, own = welded.place[mesh.faces] + 1, mesh.faces + 1
    columns = np.stack([place, own, own] if textured else [place, own], axis=-1).reshape(len(own), -1)
    form = f"f {corner} {corner} {corner}"
    lines += [form % tuple(row) for row in columns.tolist()]
    parts = {f"{STEM}.obj": ("\n".join(lines) + "\n").encode()}
    if mesh.texture is not None:
        parts[f"{STEM}.mtl"] = MATERIAL.format(texture=TEXTURE_STEM).encode()
        parts[f"{TEXTURE_STEM}.png"] = encode_rgb_png(mesh.texture.image)
    return zipped(parts)


def obj_files(data: bytes, stem: str) -> dict[str, bytes]:
    """Return the files of such a zip by name, the OBJ last: `stem`.obj, and with a texture `stem`.mtl and
    `stem`_texture.png, which name each other."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    names = (f"{TEXTURE_STEM}.png", f"{STEM}.mtl", f"{STEM}.obj")
    files = {stem + name.removeprefix(STEM): parts[name] for name in names if name in parts}
    for name, keyword, old in (
        (f"{stem}.mtl", "map_Kd", f"{TEXTURE_STEM}.png"),
        (f"{stem}.obj", "mtllib", f"{STEM}.mtl"),
    ):
        if name in files:
            new = f"{keyword} {stem}{old.removeprefix(STEM)}"
            files[name] = files[name].replace(f"{keyword} {old}".encode(), new.encode(), 1)
    return files


def _rows(keyword: str, rows: NDArray[np.floating]) -> Iterable[str]:
    form = f"{keyword} " + " ".join([DIGITS] * rows.shape[1])
    return (form % tuple(row) for row in rows.tolist())
