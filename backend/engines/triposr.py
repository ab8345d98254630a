"""The mesh engine `triposr`: a framed object through the network in `tsr/`, finished and coloured.

When memory runs out it asks the network for less, step by step, and the result says so.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import ModelUnavailableError, NoSubjectError, OutOfMemoryError
from backend.contract.memory import is_out_of_memory
from backend.contract.mesh_engines import DEFAULT_MESH
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.memoized_scene import MemoizedScene
from backend.engines.micro_batch import MicroBatcher
from backend.images.arrays import Disparity
from backend.mesh.decimate import decimate
from backend.mesh.depth_guide import Bend, bend_to_depth
from backend.mesh.engine import Built, MeshRequest
from backend.mesh.figures import silhouette_iou
from backend.mesh.framing import Framed, on_grey
from backend.mesh.mesh import Mesh
from backend.mesh.projection import photo_colors
from backend.mesh.scorecard import MIN_IOU
from backend.mesh.smooth import SmoothConfig, smooth_on_field
from backend.mesh.texture import bake_texture
from backend.weights.on_disk import check_recorded, drop_if_damaged, record_if_new, require_model
from tsr import TripoSR
from tsr.checkpoint import copy_of, weights_file
from tsr.errors import CheckpointError
from tsr.radiance_field import SceneField
from tsr.surface_mesh import mesh_of

SMALL_PIECES = 1 << 14  # points through the field at once, on a GPU that is short of memory
MIN_RESOLUTION = 64  # below it a mesh is not worth having


def load_triposr(settings: Settings, memoize: Memoize) -> "TripoSREngine":
    """Return the engine with the operator's own weights or the published ones, checked.

    Raises ModelUnavailableError when they are absent or cannot be used.
    """
    weights = settings.triposr_weights or require_model(DEFAULT_MESH, settings.checkpoints_dir)["model.ckpt"]
    return TripoSREngine(partial(load_network, weights), settings.device, memoize, settings.batch_size)


def load_network(weights: Path, device: str) -> TripoSR:
    """Return the network with the weights of a file or folder.

    Raises ModelUnavailableError when they cannot be used, or the device is not on this machine.
    """
    try:
        path = weights_file(weights)
        digest = check_recorded(path, TripoSREngine.name)
        if copy := copy_of(path, digest):
            drop_if_damaged(copy)
        model = TripoSR.from_pretrained(path, device, digest=digest)
        for good in filter(None, (path, copy_of(path, digest))):
            record_if_new(good)
        return model
    except (CheckpointError, ValueError) as error:
        raise ModelUnavailableError(
            f"TripoSR cannot be used: {error}. Fetch it with: python -m backend models fetch triposr",
            model=TripoSREngine.name,
        ) from error


@dataclass(frozen=True)
class _Attempt:
    """One way to do the work, and what the result then says of it."""

    resolution: int
    max_points: int | None = None  # through the field at once; None: what suits the device
    on_cpu: bool = False
    degraded: str = ""


class TripoSREngine:
    """The network with its weights. Threads may share it: once loaded, it changes only by gaining a copy on the CPU."""

    name = "triposr"

    def __init__(
        self,
        load: Callable[[str], TripoSR],
        device: str = "auto",
        memoize: Memoize = compute_always,
        batch_size: int = 1,
    ) -> None:
        """Take the network from `load`, which returns it on the device of a name; up to `batch_size` pictures are
        encoded at once. Raises what `load` raises."""
        self._load, self._memoize = load, memoize
        self._model = load(device)
        self._codes = MicroBatcher(partial(_codes, self._model), batch_size)
        self._cpu_model: TripoSR | None = None  # the same network, where a GPU's memory has run out before
        self._cpu_lock = threading.Lock()

    @property
    def device(self) -> str:
        return str(self._model.device)

    def build(self, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace) -> Built:
        """Return the network's mesh of the framed object, bent toward the disparity as `request.depth_guide` says.

        Raises NoSubjectError when the density stays below the threshold everywhere, OutOfMemoryError when not even
        the smallest way fits.
        """
        for attempt in self._attempts(request.resolution):
            if attempt.degraded:
                trace.degrade(attempt.degraded)
            built = self._try(attempt, framed, disparity, request, trace)
            if built is not None:
                return built
        raise OutOfMemoryError(
            "The mesh did not fit into memory; ask for a lower resolution.", limit=request.resolution
        )

    def _attempts(self, resolution: int) -> Iterator[_Attempt]:
        on_gpu = self._model.device.type != "cpu"
        pieces = SMALL_PIECES if on_gpu else None
        yield _Attempt(resolution)
        if on_gpu:
            yield _Attempt(resolution, pieces, degraded="Memory ran out; it was released, and the pieces made smaller.")
        lower = resolution // 2
        while lower >= MIN_RESOLUTION:
            yield _Attempt(lower, pieces, degraded=f"Memory ran out; the resolution was lowered to {lower}.")
            lower //= 2
        if on_gpu:
            degraded = "The GPU ran out of memory; the work was done on the CPU, where the network stays loaded."
            yield _Attempt(resolution, on_cpu=True, degraded=degraded)

    def _try(
        self, attempt: _Attempt, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace
    ) -> Built | None:
        """Return the result of one attempt, None when it did not fit into memory."""
        try:
            model = self._on_cpu() if attempt.on_cpu else self._model
            return self._build(model, attempt, framed, disparity, request, trace)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # not in the handler: the traceback would hold on to the tensors
        return None

    def _on_cpu(self) -> TripoSR:
        """Return the network on the CPU. It is loaded once and kept: that is 1.7 GB to read."""
        with self._cpu_lock:
            if self._cpu_model is None:
                self._cpu_model = self._load("cpu")
            return self._cpu_model

    def _build(
        self,
        model: TripoSR,
        attempt: _Attempt,
        framed: Framed,
        disparity: Disparity | None,
        request: MeshRequest,
        trace: Trace,
    ) -> Built:
        device = str(model.device)
        with trace.stage("encode", device):
            code = self._encode(model, framed)
        with trace.stage("extract", device):
            scene = model.scene(code, attempt.max_points)
            # A GPU samples the lattice in less time than its indices take to travel.
            memoized = MemoizedScene(scene, self._memoize) if model.device.type == "cpu" else scene
            surface = mesh_of(memoized, resolution=attempt.resolution, isovalue=request.isovalue)
        if not len(surface.faces):
            raise NoSubjectError(
                f"TripoSR found no surface at threshold {request.isovalue:g}; try a lower one.", limit=request.isovalue
            )
        mesh = Mesh(surface.vertices, surface.faces, surface.colors)
        facts = {
            "device": device,
            "precision": model.stages(),
            "resolution": attempt.resolution,
            "dropped_components": surface.dropped_components,
        }
        return self._finish(Built(mesh, facts), scene, framed, disparity, request, trace)

    def _encode(self, model: TripoSR, framed: Framed) -> torch.Tensor:
        picture = on_grey(framed, model.config.image_size_px)
        codes = self._codes if model is self._model else partial(_codes, model)

        def compute() -> tuple[NDArray[np.float32]]:
            return (codes(picture[None])[0],)

        (code,) = self._memoize("encode", str(model.stages()), picture, compute)
        return torch.from_numpy(code).to(model.device)

    def _finish(
        self,
        built: Built,
        scene: SceneField,
        framed: Framed,
        disparity: Disparity | None,
        request: MeshRequest,
        trace: Trace,
    ) -> Built:
        def density_at(points: NDArray[np.float32]) -> NDArray[np.float32]:
            return scene.query(_tensor(points))[0].cpu().numpy()

        def color_at(points: NDArray[np.float32]) -> NDArray[np.float32]:
            straight = points if bend is None else bend.undo(points)
            return scene.query(_tensor(straight))[1].cpu().numpy()

        bend: Bend | None = None
        mesh, facts = built.mesh, dict(built.facts)
        if request.smooth:
            with trace.stage("smooth"):
                step = 2 * scene.radius / (facts["resolution"] - 1)
                mesh = smooth_on_field(mesh, density_at, request.isovalue, SmoothConfig(reach=step))
                mesh = replace(mesh, colors=color_at(mesh.vertices))
        if request.depth_guide > 0.0:
            with trace.stage("depth guide"):
                bend = _bend(mesh, framed, disparity, request.depth_guide, facts, trace)
                mesh = mesh if bend is None else replace(mesh, vertices=bend.apply(mesh.vertices))
        if request.target_faces is not None:
            with trace.stage("decimate"):
                lighter = decimate(mesh, request.target_faces, color_at)
            mesh, facts["faces_asked"], facts["faces_got"] = lighter.mesh, lighter.asked, lighter.got
        project = request.project_photo
        if project and (overlap := silhouette_iou(mesh, framed.alpha)) < MIN_IOU:
            trace.note(f"`project_photo` is ignored: the mesh covers the mask to only {overlap:.0%}.")
            project = False
        paint = photo_colors(mesh, framed, color_at) if project else color_at
        if request.texture == "baked":
            with trace.stage("bake"):
                mesh = bake_texture(mesh, paint)
        elif project:
            mesh = replace(mesh, colors=paint(mesh.vertices))
        return Built(mesh, facts)


def _bend(
    mesh: Mesh, framed: Framed, disparity: Disparity | None, strength: float, facts: dict[str, Any], trace: Trace
) -> Bend | None:
    """Return how the mesh is bent toward the disparity, None with a note where it is not; `facts` gets the figures."""
    if disparity is None:
        why_not = "there is no depth map without the depth network's weights."
    elif (overlap := silhouette_iou(mesh, framed.alpha)) < MIN_IOU:
        why_not = f"the mesh covers the mask to only {overlap:.0%}."
    else:
        guide = bend_to_depth(mesh, disparity, framed.alpha, strength)
        facts["depth_agreement"], facts["depth_moved"] = round(guide.agreement, 3), round(guide.moved, 4)
        why_not = guide.why_not
        if guide.bend is not None:
            return guide.bend
    trace.note(f"`depth_guide` is ignored: {why_not}")
    return None


def _codes(model: TripoSR, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scene codes (B, 3, C, S, S) of `pictures` (B, H, W, 3)."""
    codes: NDArray[np.float32] = model.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2)).cpu().numpy()
    return codes


def _tensor(points: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(points, np.float32))
