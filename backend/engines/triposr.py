"""The mesh engine `triposr`: a framed object through the network in `tsr/`, finished and coloured.

It asks the network for less when a GPU's memory runs out, step by step, and says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import ModelUnavailableError, NoSubjectError, OutOfMemoryError
from backend.contract.mesh_engines import DEFAULT_MESH
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.memoized_scene import MemoizedScene
from backend.engines.micro_batch import MicroBatcher
from backend.images.arrays import Disparity
from backend.mesh.decimate import decimate
from backend.mesh.engine import Built, MeshRequest
from backend.mesh.framing import Framed, on_grey
from backend.mesh.mesh import Mesh
from backend.mesh.projection import photo_colors
from backend.mesh.smooth import SmoothConfig, smooth_on_field
from backend.mesh.texture import bake_texture
from backend.weights.on_disk import check_recorded, drop_if_damaged, record_if_new, require_model
from tsr import TripoSR
from tsr.checkpoint import copy_of, weights_file
from tsr.errors import CheckpointError
from tsr.surface_mesh import mesh_of

FEWEST_POINTS = 1 << 14  # through the field at once, on a GPU that has no room for more
LOWEST_RESOLUTION = 64  # below it a mesh is not worth having


def load_triposr(settings: Settings, memoize: Memoize) -> "TripoSREngine":
    """Return the engine with the operator's own weights or the published ones, checked.

    Raises ModelUnavailableError when they are absent or cannot be used.
    """
    weights = settings.triposr_weights or require_model(DEFAULT_MESH, settings.checkpoints_dir)["model.ckpt"]
    return TripoSREngine(weights, settings.device, memoize, settings.batch_size)


@dataclass(frozen=True)
class _Rung:
    """One way to do the work, and what is said when it comes to that."""

    model: TripoSR
    resolution: int
    said: str = ""


class TripoSREngine:
    """The network with its weights. Safe to share: nothing in it changes once it is loaded."""

    name = "triposr"

    def __init__(
        self,
        weights: Path,
        device: str = "auto",
        memoize: Memoize = compute_always,
        batch_size: int = 1,
    ) -> None:
        """Load the weights; up to `batch_size` pictures are encoded at once.

        Raises ModelUnavailableError when they cannot be used, or the device is not here.
        """
        self._weights, self._memoize = weights, memoize
        self._model = self._load(device)
        self._codes = MicroBatcher(partial(_codes, self._model), batch_size)

    @property
    def device(self) -> str:
        return str(self._model.device)

    def _load(self, device: str) -> TripoSR:
        try:
            path = weights_file(self._weights)
            digest = check_recorded(path, self.name)
            if copy := copy_of(path, digest):
                drop_if_damaged(copy)
            model = TripoSR.from_pretrained(path, device, digest=digest)
            for good in filter(None, (path, copy_of(path, digest))):
                record_if_new(good)
            return model
        except (CheckpointError, ValueError) as error:
            raise ModelUnavailableError(
                f"TripoSR cannot be used: {error}. Fetch it with: python -m backend models fetch triposr",
                model=self.name,
            ) from error

    def build(self, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace) -> Built:
        """Return the network's mesh of the framed object; it has no use for a disparity.

        Raises NoSubjectError when the density stays below the threshold everywhere, OutOfMemoryError when not even
        the smallest way fits.
        """
        for rung in self._rungs(request.resolution):
            if rung.said:
                trace.degrade(rung.said)
            if rung.said and rung.model.device.type != "cpu":
                rung.model.field.most_points = FEWEST_POINTS  # and so it stays: the room has shown itself small
            try:
                return self._build(rung, framed, request, trace)
            except (torch.OutOfMemoryError, MemoryError):
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
        raise OutOfMemoryError(
            "The mesh did not fit into memory; ask for a lower resolution.", limit=request.resolution
        )

    def _rungs(self, resolution: int) -> Iterator[_Rung]:
        yield _Rung(self._model, resolution)
        if self._model.device.type != "cpu":
            yield _Rung(self._model, resolution, "Memory ran out; it was released, and the pieces made smaller.")
        lower = resolution // 2
        while lower >= LOWEST_RESOLUTION:
            yield _Rung(self._model, lower, f"Memory ran out; the resolution was lowered to {lower}.")
            lower //= 2
        if self._model.device.type != "cpu":
            yield _Rung(self._load("cpu"), resolution, "The GPU ran out of memory; the work was done on the CPU.")

    def _build(self, rung: _Rung, framed: Framed, request: MeshRequest, trace: Trace) -> Built:
        model, device = rung.model, str(rung.model.device)
        with trace.stage("encode", device):
            code = self._encode(model, framed)
        with trace.stage("extract", device):
            scene = model.scene(code)
            # A GPU samples the lattice in less time than its indices take to travel.
            memoized = MemoizedScene(scene, self._memoize) if model.device.type == "cpu" else scene
            surface = mesh_of(memoized, resolution=rung.resolution, isovalue=request.isovalue)
        if not len(surface.faces):
            raise NoSubjectError(
                f"TripoSR found no surface at threshold {request.isovalue:g}; try a lower one.", limit=request.isovalue
            )
        mesh = Mesh(surface.vertices, surface.faces, surface.colors)
        facts = {
            "precision": model.stages(),
            "resolution": rung.resolution,
            "dropped_components": surface.dropped_components,
        }
        return self._finish(Built(mesh, facts), model, code, framed, request, trace)

    def _encode(self, model: TripoSR, framed: Framed) -> torch.Tensor:
        picture = on_grey(framed, model.config.image_size_px)
        codes = self._codes if model is self._model else partial(_codes, model)

        def compute() -> tuple[NDArray[np.float32]]:
            return (codes(picture[None])[0],)

        (code,) = self._memoize("encode", str(model.stages()), picture, compute)
        return torch.from_numpy(code).to(model.device)

    def _finish(
        self, built: Built, model: TripoSR, code: torch.Tensor, framed: Framed, request: MeshRequest, trace: Trace
    ) -> Built:
        def density_at(points: NDArray[np.float32]) -> NDArray[np.float32]:
            return model.query(code, _tensor(points, model))[0].cpu().numpy()

        def color_at(points: NDArray[np.float32]) -> NDArray[np.float32]:
            return model.query(code, _tensor(points, model))[1].cpu().numpy()

        mesh, facts = built.mesh, dict(built.facts)
        if request.smooth:
            with trace.stage("smooth"):
                step = 2 * model.config.radius / (facts["resolution"] - 1)
                mesh = smooth_on_field(mesh, density_at, request.isovalue, SmoothConfig(reach=step))
                mesh = replace(mesh, colors=color_at(mesh.vertices))
        if request.target_faces is not None:
            with trace.stage("decimate"):
                lighter = decimate(mesh, request.target_faces, color_at)
            mesh, facts["faces_asked"], facts["faces_got"] = lighter.mesh, lighter.asked, lighter.got
        paint = photo_colors(mesh, framed, color_at) if request.project_photo else color_at
        if request.texture == "baked":
            with trace.stage("bake"):
                mesh = bake_texture(mesh, paint)
        elif request.project_photo:
            mesh = replace(mesh, colors=paint(mesh.vertices))
        return Built(mesh, facts)


def _codes(model: TripoSR, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scene codes (B, 3, C, S, S) of `pictures` (B, H, W, 3)."""
    codes: NDArray[np.float32] = model.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2)).cpu().numpy()
    return codes


def _tensor(points: NDArray[np.float32], model: TripoSR) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(points, np.float32)).to(model.device)
