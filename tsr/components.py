"""Leave out the small pieces that float beside an object."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def drop_small_components(
    vertices: torch.Tensor, faces: torch.Tensor, min_component: float
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return vertices (N, 3), faces (M, 3) less the components below `min_component` of the largest; their count.

    A component is what hangs together by shared vertices; its size is its area, which, unlike its volume, does not
    make a thin plate small. Vertices keep their order; those that no face uses go too.
    """
    if not len(faces) or min_component == 0.0:
        return vertices, faces, 0
    corner = faces.cpu().numpy()
    pairs = coo_array(
        (np.ones(2 * len(corner), np.int8), (np.r_[corner[:, 0], corner[:, 1]], np.r_[corner[:, 1], corner[:, 2]])),
        shape=(len(vertices), len(vertices)),
    )
    count, of_vertex = connected_components(pairs, directed=False)
    of_face = torch.from_numpy(of_vertex).to(faces.device).long()[faces[:, 0]]
    a, b, c = vertices[faces].unbind(1)
    area = torch.zeros(count, device=vertices.device).index_add_(0, of_face, (b - a).cross(c - a, dim=1).norm(dim=1))
    keep = area >= min_component * area.max()
    faces = faces[keep[of_face]]
    used, faces = torch.unique(faces, return_inverse=True)
    return vertices[used], faces, int((~keep).sum())
