"""The coloured surface of a scene: a bound field goes in, vertices, faces and colours come out."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tsr.isosurface import Field, extract_surface

Method = Literal["sparse", "dense"]


class Scene(Field, Protocol):
    """One object's density and colour."""

    def color(self, points: torch.Tensor) -> torch.Tensor:
        """Return the (N, 3) colours in [0, 1] at (N, 3) float32 points in world units."""
        ...


@dataclass(frozen=True)
class SurfaceMesh:
    """A triangle mesh in the model's world frame, faces counter-clockwise seen from outside."""

    vertices: NDArray[np.float32]  # (N, 3) world units
    faces: NDArray[np.int64]  # (M, 3)
    colors: NDArray[np.float32]  # (N, 3) RGB in [0, 1]
    dropped_components: int = 0  # floaters that were smaller than asked for


def mesh_of(
    scene: Scene,
    *,
    resolution: int = 256,
    isovalue: float = 25.0,
    method: Method = "sparse",
    close: bool = True,
    min_component: float = 0.01,
) -> SurfaceMesh:
    """Return the surface where the density of `scene` is `isovalue`, with the field's colour at every vertex.

    `resolution` is the number of lattice points a side. `method="dense"` evaluates all of them, the slow truth;
    "sparse" only those near the surface. `close` puts a lid where the object leaves the box; components smaller
    than `min_component` of the largest are dropped, and counted.
    """
    surface = extract_surface(
        scene, resolution=resolution, isovalue=isovalue, method=method, close=close, min_component=min_component
    )
    colors = scene.color(surface.vertices)
    vertices, faces = surface.vertices.cpu().numpy(), surface.faces.cpu().numpy()
    return SurfaceMesh(vertices, faces, colors.cpu().numpy(), surface.dropped_components)
