"""A mesh file's bytes -> an error unless trimesh reads the mesh back: for tests and debug runs, it doubles the time."""

import io

import numpy as np
import trimesh

from backend.mesh.mesh import Mesh
from backend.mesh.obj import obj_files

TOLERANCE = 2e-6  # world units, for a mesh about 1 across: text formats carry seven digits


def check_reads_back(data: bytes, format: str, mesh: Mesh) -> None:
    """Raise RuntimeError unless `data` reads as one mesh with the faces, bounds and volume of `mesh`.

    A format that trimesh cannot read passes.
    """
    if format == "obj":
        data = obj_files(data, "model")["model.obj"]
    if format not in trimesh.available_formats():
        return
    loaded = trimesh.load(io.BytesIO(data), file_type=format, process=False, maintain_order=True)
    parts = list(loaded.geometry.values()) if isinstance(loaded, trimesh.Scene) else [loaded]
    if len(parts) != 1 or not isinstance(parts[0], trimesh.Trimesh):
        raise RuntimeError(f"the {format} file holds {len(parts)} parts instead of one mesh")
    found, expected = parts[0], trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    scale = max(1.0, float(np.abs(expected.bounds).max()))
    # Compared with <=, so that NaN fails.
    agrees = (
        len(found.faces) == len(expected.faces)
        and bool((np.abs(found.bounds - expected.bounds) <= TOLERANCE * scale).all())
        and abs(found.volume - expected.volume) <= 1e-4 * scale**3
    )
    if not agrees:
        raise RuntimeError(
            f"the {format} file reads back with {len(found.faces)} faces in {found.bounds.tolist()} and volume "
            f"{found.volume:.6g}, not {len(expected.faces)} in {expected.bounds.tolist()} and {expected.volume:.6g}"
        )
