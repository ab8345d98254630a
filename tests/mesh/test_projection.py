"""The photo is on what the camera saw of the mesh, and only where mesh and matte agree."""

import numpy as np
import trimesh

from backend.mesh.camera import HALF_HEIGHT
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh
from backend.mesh.projection import photo_colors

SIDE = 256
ROWS, COLUMNS = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) / SIDE * 2 - 1
BALL = trimesh.creation.icosphere(5, 0.4)
DISC = np.hypot(ROWS, COLUMNS) * HALF_HEIGHT < 0.4 / np.sqrt(1.9**2 - 0.4**2)


def share_of_photo(matte):
    """Return which share of the photo's green each vertex of a red ball gets, by its place in the world."""
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    photo[..., 1] = 255
    framed = Framed(photo, matte.astype(np.float32), (0, 0, SIDE, SIDE), (0, 0), 1.0, (False,) * 4)
    mesh = Mesh(BALL.vertices.astype(np.float32), BALL.faces.astype(np.int64))
    red = np.tile(np.float32([1, 0, 0]), (len(mesh.vertices), 1))
    return photo_colors(mesh, framed, lambda points: red)(mesh.vertices)[:, 1], mesh.vertices


def test_where_mesh_and_matte_agree_the_photo_covers_what_was_seen():
    share, places = share_of_photo(DISC)
    assert (share[places[:, 0] > 0.33] > 0.99).all() and (share[places[:, 0] < -0.05] == 0).all()


def test_beside_a_part_that_the_mesh_lacks_the_photo_fades_out():
    share, places = share_of_photo(DISC | ((COLUMNS > 0) & (np.abs(ROWS) < 0.3) & (COLUMNS < 0.9)))
    near, far = (places[:, 0] > 0.16) & (places[:, 1] > 0.34) & (np.abs(places[:, 2]) < 0.1), places[:, 0] > 0.38
    assert near.any() and share[near].max() < 0.9 * share_of_photo(DISC)[0][near].max() and share[far].min() > 0.99
