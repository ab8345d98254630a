"""Photos of one object from several sides -> one closed mesh.

Each view says where the object ends (its matte) and about where its surface lies (two layers, as `layers.py` has them).
A point is inside where all mattes allow it and the layers of one view at least hold it. Size and place of a view, and
where its layers lie along the line of sight, follow from the mattes of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import radians, sin

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from backend.contract.errors import NoSubjectError
from backend.images.arrays import Alpha
from backend.images.resize import resize_to
from backend.mesh.camera import DISTANCE, HALF_HEIGHT, lift, project
from backend.mesh.decimate import decimate
from backend.mesh.framing import Framed, object_box
from backend.mesh.layers import DEFAULT_FACES
from backend.mesh.mesh import ColorAt, Mesh
from backend.mesh.projection import photo_colors
from backend.mesh.sampling import sample
from backend.mesh.texture import bake_texture
from tsr.isosurface import extract_surface

Points = NDArray[np.float64]
Plane = NDArray[np.float32]
MATTE_PX = 256
REACH = 0.86  # world units along each axis, of the 0.87 that an object may have
FINE = 128  # lattice points a side of the surface
LINES, STEPS, MIN_LINES = 40, 64, 8  # of sight, to place the layers; with fewer that end within the mattes they stay
ROUGH_LINES, ROUGH_STEPS = 20, 40  # of sight, to make the mattes agree


@dataclass(frozen=True)
class Seen:
    """One photo of the object. The camera stands `azimuth` degrees around it, counter-clockwise from above, beside the
    first photo's, at the same height; the object stands upright in each."""

    framed: Framed
    front: Plane  # (m, m) x of the visible surface over the framed square, world units; finite everywhere
    back: Plane  # (m, m) x of the last surface behind it
    azimuth: float


def mesh_of_views(views: Sequence[Seen], max_faces: int | None = None, textured: bool = True) -> Mesh:
    """Return the closed mesh of an object seen from one side or more, in the world of the first view.

    It has at most `max_faces` faces (None: 12,000) and a texture, or colours at its vertices.
    Raises NoSubjectError for an empty matte, ValueError for no view.
    """
    if not views:
        raise ValueError("a mesh needs one view at least")
    placed = _placed([_View.of(view, views[0]) for view in views])
    surface = extract_surface(_Field(partial(_depth_inside, placed)), resolution=FINE, isovalue=1.0, method="dense")
    if not len(surface.faces):
        raise NoSubjectError("The views do not fit together: no point of space is on the object in all of them.")
    mesh = Mesh(surface.vertices.numpy(), surface.faces.numpy())
    color_at = _colors(mesh, placed)
    lighter = decimate(mesh, max_faces or DEFAULT_FACES, color_at).mesh
    return bake_texture(lighter, color_at) if textured else replace(lighter, colors=color_at(lighter.vertices))


@dataclass(frozen=True)
class _View:
    """A view placed beside the first: its camera as far from the object, but its picture `zoom` times as large."""

    seen: Seen
    zoom: float
    offset: tuple[float, float]  # across and down, of the object's place in its picture
    stretch: float  # of the layers along the view
    shift: float  # of the layers along the view, units of the first view
    inside: Plane  # (MATTE_PX, MATTE_PX) distance to the matte's edge, in shares of the picture; negative outside

    @classmethod
    def of(cls, seen: Seen, first: Seen) -> "_View":
        """Return the view with its zoom from the matte's height, which is the object's in every view."""
        alpha = resize_to(seen.framed.alpha, (MATTE_PX, MATTE_PX))
        return cls(
            seen, _height(seen.framed.alpha) / _height(first.framed.alpha), (0.0, 0.0), 1.0, 0.0, _edge_distance(alpha)
        )

    def turned(self, points: NDArray[np.floating]) -> Points:
        """Return world points (N, 3) with this view's camera on +x."""
        angle = np.radians(self.seen.azimuth)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y, z = np.asarray(points, np.float64).T
        return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=-1)

    def places(self, turned: Points) -> NDArray[np.float64]:
        """Return where turned points are seen: (N, 2) across and down, 0 to 1 over the framed picture."""
        return (np.stack(project(turned)[:2], axis=-1) - 0.5) * self.zoom + 0.5 + self.offset

    def along(self, places: NDArray[np.float64], x: NDArray[np.float64]) -> Points:
        """Return the world points (len(places) * len(x), 3) that are seen at places, at each of the turned `x`."""
        across, down = (
            (np.repeat(places[:, axis], len(x)) - 0.5 - self.offset[axis]) / self.zoom + 0.5 for axis in (0, 1)
        )
        ahead, aside, up = lift(across, down, np.tile(x, len(places))).T
        angle = np.radians(self.seen.azimuth)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([cos * ahead - sin * aside, sin * ahead + cos * aside, up], axis=-1)

    def matte_depth(self, turned: Points) -> NDArray[np.float64]:
        """Return how far turned points (N, 3) are inside the matte's cone."""
        unit = 2.0 * HALF_HEIGHT * (DISTANCE - turned[:, 0]) / self.zoom
        return _at(self.inside, self.places(turned)) * unit

    def layer_depth(self, turned: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far turned points are behind the front and before the back."""
        places, x = self.places(turned), turned[:, 0] - self.shift
        unit = self.stretch / self.zoom
        return _at(self.seen.front, places) * unit - x, x - _at(self.seen.back, places) * unit


class _Field:
    """A depth inside as a density, 1 on the surface."""

    radius = REACH
    device = torch.device("cpu")

    def __init__(self, depth_inside: "partial[NDArray[np.float64]]") -> None:
        self._depth_inside = depth_inside

    def density(self, points: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(1.0 + self._depth_inside(points.numpy())).float()

    def lattice(self, resolution: int) -> "_Field":
        raise NotImplementedError("the surface of several views is taken densely")


def _height(alpha: Alpha) -> float:
    _, top, _, bottom = object_box(alpha)
    return (bottom - top) / len(alpha)


def _edge_distance(alpha: Plane) -> Plane:
    object_ = np.pad((alpha > 0.5 * float(alpha.max())).astype(np.uint8), 1)  # the picture's frame is outside
    inner, outer = (cv2.distanceTransform(mask, cv2.DIST_L2, 5)[1:-1, 1:-1] for mask in (object_, 1 - object_))
    distance: Plane = (np.where(inner > 0, inner - 0.5, 0.5 - outer) / len(alpha)).astype(np.float32)
    return distance


def _placed(views: list[_View]) -> list[_View]:
    """Return the views so large and at such places that their mattes agree, and their layers as deep as the other
    mattes allow and in the middle of that, where these end the line of sight on both sides."""
    views = _agreed(views)
    return [_fitted(view, [other for other in views if _crosses(view, other)]) for view in views]


def _crosses(view: _View, other: _View) -> bool:
    """Whether the lines of sight of two views meet at 30° or more: else one says little of the other's depth."""
    return abs(sin(radians(view.seen.azimuth - other.seen.azimuth))) > 0.49


def _agreed(views: list[_View]) -> list[_View]:
    """Return the views with zoom and offset of all but the first changed until each matte is as good as covered by what
    the others allow: a near part is larger in the picture, so that heights alone mislead."""
    views = list(views)
    for _ in range(2 if len(views) > 2 else 1):
        for index in range(1, len(views)):
            start = views[index]

            def moved(how: NDArray[np.float64], start: _View = start) -> _View:
                offset = start.offset[0] + 0.1 * how[1], start.offset[1] + 0.1 * how[2]
                return replace(start, zoom=start.zoom * float(np.exp(0.1 * how[0])), offset=offset)

            def cost(how: NDArray[np.float64], index: int = index) -> float:
                tried = [*views[:index], moved(how), *views[index + 1 :]]
                return _uncovered(tried) + 1e-4 * float(how @ how)

            corners = np.vstack([np.zeros(3), np.eye(3)])
            found = minimize(
                cost, np.zeros(3), method="Nelder-Mead", options={"initial_simplex": corners, "maxfev": 60}
            )
            views[index] = moved(found.x)
    return views


def _uncovered(views: list[_View]) -> float:
    """Return how far, in world units, the mattes' lines of sight pass the solid that the others allow, on average."""
    total = 0.0
    x = np.linspace(-REACH, REACH, ROUGH_STEPS)
    for view in views:
        places = _grid(ROUGH_LINES)
        places = places[_at(view.inside, places) > 0]
        points = view.along(places, x)
        depth = np.min([other.matte_depth(other.turned(points)) for other in views if other is not view], axis=0)
        total += float(np.maximum(-depth.reshape(len(places), -1).max(axis=1), 0.0).mean()) if len(places) else 0.0
    return total


def _grid(count: int) -> NDArray[np.float64]:
    places: NDArray[np.float64] = np.stack(np.meshgrid(*[(np.arange(count) + 0.5) / count] * 2), -1).reshape(-1, 2)
    return places


def _fitted(view: _View, others: list[_View]) -> _View:
    if not others:
        return view
    places = _grid(LINES)
    places = places[_at(view.inside, places) > 0]
    x = np.linspace(-REACH, REACH, STEPS)
    points = view.along(places, x)
    allowed = np.min([other.matte_depth(other.turned(points)) for other in others], axis=0) > 0
    allowed = allowed.reshape(len(places), STEPS)
    ended = allowed.any(axis=1) & ~allowed[:, 0] & ~allowed[:, -1]
    if np.count_nonzero(ended) < MIN_LINES:
        return view
    far, near = x[allowed.argmax(axis=1)][ended], x[STEPS - 1 - allowed[:, ::-1].argmax(axis=1)][ended]
    front, back = (_at(plane, places[ended]) / view.zoom for plane in (view.seen.front, view.seen.back))
    # Mattes allow no less than the object: where they allow least beside the layers, they tell its depth.
    stretch = max(1.0, float(np.percentile((near - far) / np.maximum(front - back, 0.02), 25)))
    return replace(view, stretch=stretch, shift=float(np.median((near + far - stretch * (front + back)) / 2)))


def _depth_inside(views: list[_View], points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far points (N, 3) are inside the solid, negative outside; only near the surface a distance."""
    allowed, held = np.full(len(points), np.inf), np.full(len(points), -np.inf)
    for view in views:
        turned = view.turned(points)
        allowed = np.minimum(allowed, view.matte_depth(turned))
        held = np.maximum(held, np.minimum(*view.layer_depth(turned)))
    inside: NDArray[np.float64] = np.minimum(allowed, held)
    return inside


def _at(plane: Plane, places: NDArray[np.float64]) -> NDArray[np.float64]:
    return sample(plane, (np.clip(places, 0, 1) * len(plane) - 0.5).astype(np.float32)).astype(np.float64)


def _colors(mesh: Mesh, views: list[_View]) -> ColorAt:
    """Return the colours of the surface: of the photo that sees a place most squarely, else through the object."""

    def through(points: NDArray[np.float32]) -> NDArray[np.float32]:
        places = views[0].places(points.astype(np.float64))
        square = views[0].seen.framed
        seen = sample(square.image, (places * len(square.image) - 0.5).astype(np.float32))
        return seen.astype(np.float32) / np.float32(255)

    chosen: ColorAt = through
    for view in reversed(views):
        chosen = _over(mesh, view, chosen)
    return chosen


def _over(mesh: Mesh, view: _View, below: ColorAt) -> ColorAt:
    def turned(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return view.turned(points).astype(np.float32)

    as_seen = Mesh(turned(mesh.vertices), mesh.faces)

    def colors(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return photo_colors(as_seen, view.seen.framed, lambda _: below(points))(turned(points))

    return colors
