"""Small meshes whose measures are known, and a GLB of one."""

from typing import Any

import numpy as np

from backend.mesh.export import export_mesh
from backend.mesh.glb import GlbStyle
from backend.mesh.mesh import Mesh, Texture
from backend.mesh.placing import Up, place


def figure(texture: bool = False, colors: bool = True) -> Mesh:
    """A tetrahedron with an arm along each axis of its own length: 1 toward the viewer, 2 to the right, 3 up."""
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0, 0, 0.3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2], [0, 1, 3], [1, 2, 3]])
    paint = np.array([[0.2, 0.4, 0.6], [1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.5]], np.float32) if colors else None
    picture = np.zeros((8, 16, 3), np.uint8)
    picture[:, 8:] = (250, 120, 10)
    laid = Texture(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), picture) if texture else None
    return Mesh(vertices, faces, paint, laid)


def small_glb(texture: bool = True, up: Up = "y", **style: Any) -> bytes:
    """The figure as a GLB."""
    return export_mesh(place(figure(texture), up), style=GlbStyle(**style))
