"""The `form` engine: a small network of our own predicts the front and the back of the object in one picture.

Its weights ship with the project (`training/form` makes them). The closed mesh over the two layers is
`backend/mesh/layers.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from backend.cache.memoize import Memoize
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.network_errors import network_errors
from backend.engines.onnx_segmenter import device_of, onnxruntime_errors, open_session
from backend.images.arrays import Alpha, Disparity, Image
from backend.images.resize import fit_longest_side, resize_to
from backend.mesh.camera import DISTANCE
from backend.mesh.engine import Built, MeshRequest, note_ignored
from backend.mesh.framing import Framed, frame_object, on_grey
from backend.mesh.layers import depth_layers, mesh_of_layers
from backend.mesh.mesh import Mesh
from backend.mesh.silhouette import lattice_of
from backend.mesh.thickness import half_thickness

WEIGHTS = Path(__file__).with_name("form.onnx")
PICTURE, NODES = 128, 64  # sides of the picture that the network sees and of its answers
OUTPUTS = ("front", "back", "doubt", "behind")
MAX_SIDE_PX = 1024
RATIO = 0.85  # of the picture that the object fills in training
UNCUT = (False, False, False, False)  # the network has seen cut objects inflated like any
MAX_DEPTH = 0.8  # world units from the middle to the nearest and the farthest point, of the 0.87 an object may have
GUESSED = "A small network guessed the depth of front and back from outline and shading: the back is invented."
GUESSED_OF_VIEWS = "The outlines are known from the photos; what none of them shows is guessed by a small network."
IDLE = ("resolution", "isovalue", "smooth", "project_photo", "depth_guide")
WHY_IDLE = "a mesh by `form` comes from the mask and two layers, is smooth and has the photo's colours already."
MIN_SWING = 1e-4  # of a disparity's peak, over the object; less is a flat map


@dataclass(frozen=True)
class Form:
    """Two layers over the network's own square, (NODES, NODES) float32: x in world units, the middle of all at 0."""

    front: NDArray[np.float32]
    back: NDArray[np.float32]
    doubt: NDArray[np.float32]  # (2, NODES, NODES) the network's own guess of its error of front and back
    behind: NDArray[np.uint8]  # (NODES, NODES, 3) colours of the back
    known: NDArray[np.bool_]  # where the object is


def load_form(settings: Settings, memoize: Memoize) -> "FormEngine":
    """Return the engine; the table of mesh engines names this function. Raises ModelUnavailableError."""
    return FormEngine(WEIGHTS, settings.threads, settings.device)


class FormEngine:
    """The mesh engine whose network ships with the project; threads may share it."""

    name = "form"

    def __init__(self, path: Path = WEIGHTS, threads: int = 0, device: str = "auto") -> None:
        """Open the weights. Raises ModelUnavailableError when they cannot be run, OutOfMemoryError."""
        self._session = open_session("form", path, threads, device)

    @property
    def device(self) -> str:
        return device_of(self._session)

    def build(self, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace) -> Built:
        """Return the closed mesh over the layers that the network sees in the framed object."""
        with trace.stage("form"):
            seen = self._see(framed, disparity, trace)
            front, back = (np.float32(DISTANCE) - plane for plane in (seen.front, seen.back))
            mesh = mesh_of_layers(framed.image, framed.alpha, front, back, seen.behind, request.target_faces)
        note_ignored(request, IDLE, WHY_IDLE, trace)
        facts = {"depth_used": seen.depth_used, "doubt": seen.doubt}
        mesh = replace(mesh, texture=None) if request.texture == "vertex" else mesh
        return Built(mesh, facts, GUESSED)

    def build_views(
        self, views: Sequence[tuple[Framed, Disparity | None, float]], request: MeshRequest, trace: Trace
    ) -> Built:
        """Return the closed mesh of an object seen from several sides: framed, disparity and azimuth of each, as
        `several_views.Seen` has it. The first view's world is the mesh's."""
        from backend.mesh.several_views import Seen, mesh_of_views  # imports torch, which takes seconds

        with trace.stage("form"):
            guesses = [self._see(framed, disparity, trace) for framed, disparity, _ in views]
        with trace.stage("join views"):
            seen = [
                Seen(framed, guess.front, guess.back, azimuth)
                for (framed, _, azimuth), guess in zip(views, guesses, strict=True)
            ]
            mesh = mesh_of_views(seen, request.target_faces, textured=request.texture != "vertex")
        note_ignored(request, IDLE, WHY_IDLE, trace)
        facts = {"depth_used": any(guess.depth_used for guess in guesses), "views": len(views)}
        return Built(mesh, facts, GUESSED_OF_VIEWS)

    def disagreement(self, mesh: Mesh, framed: Framed) -> float:
        """Return how far another engine's mesh of the framed object is from what this network sees: the mean distance
        of both layers after the best shift, as a share of the object's longest side."""
        framed = _reduced(framed)
        square = frame_object(framed.image, framed.alpha, RATIO)
        form = self.layers(square)
        front, back, _ = _over(framed, square, form)
        ours = np.stack([front, back])
        theirs = np.float32(DISTANCE) - np.stack(depth_layers(mesh, len(front)))
        seen = np.isfinite(theirs[0]) & (resize_to(framed.alpha, front.shape) > 0.5)
        if not seen.any():
            return 1.0
        apart = (theirs - ours)[:, seen]
        size = float(np.ptp(mesh.vertices, axis=0).max())
        return float(np.abs(apart - np.median(apart)).mean()) / max(size, 1e-9)

    def _see(self, framed: Framed, disparity: Disparity | None, trace: Trace) -> "_Guess":
        framed = _reduced(framed)
        square = frame_object(framed.image, framed.alpha, RATIO)
        small = None if disparity is None else resize_to(disparity, framed.alpha.shape)
        scaled = None if small is None else _scaled(square.place(small), square.alpha)
        if disparity is not None and scaled is None:
            trace.note("The depth map is flat or invalid over the object and is ignored.")
        form = self.layers(square, scaled)
        doubt = round(float(form.doubt[:, form.known].mean()), 4)
        return _Guess(*_over(framed, square, form), doubt, scaled is not None)

    def layers(self, square: Framed, disparity: Disparity | None = None) -> Form:
        """Return the layers of an object that fills 0.85 of its square; `disparity` goes from 0 to 1 over it."""
        alpha = resize_to(square.alpha, (PICTURE, PICTURE))
        coarse = resize_to(square.alpha, (NODES, NODES))
        wide = cv2.resize(inflated(coarse), (PICTURE, PICTURE), interpolation=cv2.INTER_LINEAR)
        depth = np.zeros_like(alpha) if disparity is None else resize_to(disparity, (PICTURE, PICTURE))
        given = np.full_like(alpha, disparity is not None)
        planes = np.stack([*np.moveaxis(on_grey(square, PICTURE), -1, 0), alpha, wide, depth, given])
        inputs = planes.astype(np.float32)[None]
        both = np.concatenate([inputs, inputs[..., ::-1]])  # the mirror image is a second opinion
        with network_errors("form", onnxruntime_errors()):
            answers = self._session.run(OUTPUTS, {"inputs": both})
        front, back, doubt, tint = (((one[0] + one[1][..., ::-1]) / 2).astype(np.float32) for one in answers)
        front, back, known = front[0], back[0], coarse > 0.5 * float(coarse.max())
        middle = (float(front[known].max()) + float(back[known].min())) / 2
        scale = min(1.0, MAX_DEPTH / max(float(front[known].max()) - middle, 1e-6))
        behind = np.rint(np.moveaxis(tint, 0, -1) * 255).astype(np.uint8)
        return Form((front - middle) * scale, (back - middle) * scale, doubt * scale, behind, known)


def inflated(alpha: Alpha) -> NDArray[np.float32]:
    """Return half the thickness that `relief` gives `alpha` (n, n) in [0, 1]: (NODES, NODES) world units."""
    lattice = lattice_of(alpha, NODES)
    return lattice.crop(half_thickness(alpha, lattice, UNCUT)[1]).astype(np.float32)


@dataclass(frozen=True)
class _Guess:
    """The layers over the framed square: x (m, m) in world units, finite everywhere, and the back's colours."""

    front: NDArray[np.float32]
    back: NDArray[np.float32]
    behind: Image
    doubt: float  # mean expected error of both, world units
    depth_used: bool


def _reduced(framed: Framed) -> Framed:
    """Return the framed object at 1,024 px at most: the network sees 128, and a copy of 49 megapixels is 350 MB."""
    if len(framed.alpha) <= MAX_SIDE_PX:
        return framed
    return replace(
        framed,
        image=fit_longest_side(framed.image, MAX_SIDE_PX),
        alpha=fit_longest_side(framed.alpha, MAX_SIDE_PX),
        scale=framed.scale * MAX_SIDE_PX / len(framed.alpha),
    )


def _scaled(disparity: Disparity, alpha: Alpha) -> Disparity | None:
    """Return a disparity from 0, farthest, to 1 over the object and 0 elsewhere; None where it tells nothing."""
    values = disparity[alpha > 0.9 * float(alpha.max())]
    if not np.isfinite(values).all():
        return None
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    if not high - low > MIN_SWING * max(abs(low), abs(high)):
        return None
    return np.where(alpha > 0, np.clip((disparity - low) / (high - low), 0, 1), 0).astype(np.float32)


def _over(framed: Framed, square: Framed, form: Form) -> tuple[NDArray[np.float32], NDArray[np.float32], Image]:
    """Return x of front and back and the back's colours over `framed`, where the object may fill another share than in
    the network's square."""
    side, nodes = len(framed.alpha), len(form.front)
    share = side * square.scale / len(square.alpha)  # of the network's square that the framed one spans
    count = max(8, round(nodes * share))
    places = (np.arange(count) + 0.5) / count * side
    across, down = (
        (((places - square.box[axis]) * square.scale + square.corner[1 - axis]) / len(square.alpha) * nodes - 0.5)
        for axis in (0, 1)
    )
    grid = np.meshgrid(across.astype(np.float32), down.astype(np.float32))
    nearest = distance_transform_edt(~form.known, return_distances=False, return_indices=True)

    def placed(plane: NDArray[Any]) -> NDArray[Any]:
        spread: NDArray[Any] = plane[tuple(nearest)]
        over: NDArray[Any] = cv2.remap(spread, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return over

    front, back = ((placed(plane) / share).astype(np.float32) for plane in (form.front, form.back))
    return front, back, placed(form.behind)
