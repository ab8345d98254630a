"""A mesh file's bytes -> what another library's reader finds in them, so that no broken file is ever sent."""

import io
from dataclasses import dataclass

import numpy as np
import trimesh

from backend.mesh.mesh import Mesh

CLOSE = 2e-6  # of a mesh about 1 across: text formats carry seven digits


@dataclass(frozen=True)
class Reread:
    """What a file says of its mesh."""

    vertices: int
    faces: int
    low: tuple[float, ...]  # the bounds
    high: tuple[float, ...]
    volume: float

    @classmethod
    def of(cls, mesh: Mesh) -> "Reread":
        """Return what a file of this mesh should say."""
        used = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
        a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
        volume = float((a * np.cross(b, c)).sum() / 6.0)
        low, high = (tuple(bound.tolist()) for bound in (used.min(axis=0), used.max(axis=0)))
        return cls(len(mesh.vertices), len(mesh.faces), low, high, volume)

    def agrees_with(self, other: "Reread", counts_vertices: bool) -> bool:
        """Return whether both tell of one mesh; STL stores corners and no vertices, so those may differ."""
        scale = max(1.0, float(np.abs(other.low).max()), float(np.abs(other.high).max()))
        return (
            self.faces == other.faces
            and (not counts_vertices or self.vertices == other.vertices)
            # Written so that NaN fails.
            and bool((np.abs(np.subtract(self.low, other.low)) <= CLOSE * scale).all())
            and bool((np.abs(np.subtract(self.high, other.high)) <= CLOSE * scale).all())
            and abs(self.volume - other.volume) <= 1e-4 * scale**3
        )


def reread(data: bytes, format: str) -> Reread:
    """Return what the file says, read by trimesh. Raises RuntimeError when it is no single mesh."""
    loaded = trimesh.load(io.BytesIO(data), file_type=format, process=False, maintain_order=True)
    parts = list(loaded.geometry.values()) if isinstance(loaded, trimesh.Scene) else [loaded]
    if len(parts) != 1 or not isinstance(parts[0], trimesh.Trimesh):
        raise RuntimeError(f"the {format} file holds {len(parts)} parts instead of one mesh")
    return Reread.of(Mesh(np.asarray(parts[0].vertices, np.float32), np.asarray(parts[0].faces, np.int64)))
