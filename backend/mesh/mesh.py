"""The mesh that every engine returns and every writer takes.

World frame (TripoSR's): right-handed, x toward the viewer, y to the viewer's right, z up, the object inside ±0.87.
Only `placing.py` turns it into a file's own frame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ColorAt = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (N, 3) world points -> (N, 3) RGB in [0, 1]


@dataclass(frozen=True)
class Texture:
    """A picture laid over the faces; `uv` has glTF's origin: (0, 0) is the picture's top left corner, v points down."""

    uv: NDArray[np.float32]  # (N, 2), one per vertex of the mesh; a vertex on a seam is stored once per chart
    image: NDArray[np.uint8]  # (h, w, 3) RGB


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the world frame; faces wind counter-clockwise seen from outside.

    Raises ValueError when the arrays do not fit together.
    """

    vertices: NDArray[np.float32]  # (N, 3) world units
    faces: NDArray[np.int64]  # (M, 3)
    colors: NDArray[np.float32] | None = None  # (N, 3) RGB in [0, 1], sRGB as in the photo
    texture: Texture | None = None
    normals: NDArray[np.float32] | None = None  # (N, 3) unit vectors; None: computed from the faces when needed

    def __post_init__(self) -> None:
        count = len(self.vertices)
        if self.vertices.shape != (count, 3) or self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(
                f"a mesh has (N, 3) vertices and (M, 3) faces, not {self.vertices.shape}, {self.faces.shape}"
            )
        if len(self.faces) and not (self.faces.min() >= 0 and self.faces.max() < count):
            raise ValueError(f"faces point at vertices outside 0..{count - 1}")
        for name, rows in (("colors", self.colors), ("normals", self.normals)):
            if rows is not None and rows.shape != (count, 3):
                raise ValueError(f"{name} are ({count}, 3), not {rows.shape}")
        if self.texture is not None and self.texture.uv.shape != (count, 2):
            raise ValueError(f"uv is ({count}, 2), not {self.texture.uv.shape}")
