"""The networks and their stand-ins: which can be used here, loaded once and shared between requests.

`auto` takes the best engine whose weights are on this machine and never fetches anything; weights that arrive while
the service runs are taken into use by the next request.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from backend.depth.weights import check_size, find_depth_weights, has_depth_weights
from backend.errors import ModelUnavailableError
from backend.meshing.engine import MeshEngine
from backend.meshing.relief import ReliefEngine
from backend.models import find_model, how_to_get, model_state, require_model
from backend.segmentation.border import BorderSegmenter
from backend.segmentation.first_guess import Segmenter
from backend.segmentation.rembg_models import load_segmenter
from backend.settings import Settings
from backend.weights.catalogue import DEFAULT_SEGMENTER

if TYPE_CHECKING:
    from backend.depth_masking import DepthMasker

DEFAULT_MESH = "triposr"
Engine = TypeVar("Engine")


class Engines:
    """Hands out engines by name. Safe to share between threads: each is loaded by whoever asks first."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._border: Segmenter = BorderSegmenter()
        self._relief: MeshEngine = ReliefEngine()
        self._loaded: dict[str, Any] = {"border": self._border, "relief": self._relief}
        self._broken: dict[str, str] = {}  # name -> why `auto` does not use it; forgotten when its files change
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)  # a slow load holds up its own users only

    def segmenter(self, name: str = "auto") -> Segmenter:
        """Return the segmenter called `name`.

        Raises ModelUnavailableError when its weights are absent, broken or not allowed, InvalidParameterError for a
        name nobody knows.
        """
        if name == "auto":
            return self._auto(DEFAULT_SEGMENTER, self.segmenter, self._border)
        settings = self.settings
        segmenter: Segmenter = self._load(
            name,
            lambda: load_segmenter(
                name, settings.checkpoints_dir, settings.threads, settings.allow_noncommercial, settings.device
            ),
        )
        return segmenter

    def depth(self) -> "DepthMasker | None":
        """Return the depth network of the settings, or None where its weights are not on this machine."""
        return self._auto(self.settings.depth_model, self._depth, None)

    def _depth(self, name: str) -> "DepthMasker | None":
        from backend.depth_masking import DepthMasker

        def load() -> DepthMasker:
            settings = self.settings
            weights = find_depth_weights(name, settings.checkpoints_dir)
            device = None if settings.device == "auto" else settings.device
            masker = DepthMasker.from_checkpoint(weights, settings.depth_size_px, device, "fast")
            check_size(name, masker.network.size.name, settings.checkpoints_dir)
            return masker

        masker: DepthMasker = self._load(name, load)
        return masker

    def mesh_engine(self, name: str = "auto") -> MeshEngine:
        """Return the mesh engine called `name`; raises ModelUnavailableError when its weights are absent or broken."""
        if name == "auto":
            return self._auto(DEFAULT_MESH, self.mesh_engine, self._relief)
        engine: MeshEngine = self._load(name, self._triposr)
        return engine

    def _triposr(self) -> MeshEngine:
        from backend.meshing.triposr import TripoSREngine  # imports torch, which takes seconds

        own = self.settings.triposr_weights
        weights = own or require_model(DEFAULT_MESH, self.settings.checkpoints_dir)["model.ckpt"]
        return TripoSREngine(weights, self.settings.device)

    def preload(self) -> None:
        """Load what `auto` uses now, so that the first request need not wait for it."""
        self.segmenter()
        self.depth()
        self.mesh_engine()

    def describe(self) -> dict[str, dict[str, str]]:
        """Return, for each role, the engine that `auto` uses now, its device, and why it is a stand-in if it is one."""
        roles = {
            "segmenter": (DEFAULT_SEGMENTER, "border"),
            "depth": (self.settings.depth_model, "none"),
            "mesh": (DEFAULT_MESH, "relief"),
        }
        described = {}
        for role, (network, stand_in) in roles.items():
            why = self.why_not(network)
            device = "cpu" if why else getattr(self._loaded.get(network), "device", "not loaded yet")
            described[role] = {"auto": stand_in if why else network, "device": str(device), "why": why}
        return described

    def why_not(self, name: str) -> str:
        """Return a sentence that says why `auto` stands on a stand-in instead of `name`, or "" when it does not."""
        if name in self._broken:
            return self._broken[name]
        if self._is_here(name):
            return ""
        model = find_model(name, self.settings.checkpoints_dir)
        return f"The weights of {name} are not on this machine. {how_to_get(model)}"

    def _is_here(self, name: str) -> bool:
        if name == DEFAULT_MESH and self.settings.triposr_weights is not None:
            return True
        checkpoints = self.settings.checkpoints_dir
        if name == self.settings.depth_model:
            return has_depth_weights(name, checkpoints)
        return model_state(find_model(name, checkpoints), checkpoints) == "complete"

    def _auto(self, name: str, load: Callable[[str], Engine], stand_in: Engine) -> Engine:
        if name not in self._loaded and not self._is_here(name):
            return stand_in
        try:
            return load(name)
        except ModelUnavailableError as error:  # complete by its size and yet not what it should be
            self._broken[name] = error.detail
            return stand_in

    def _load(self, name: str, load: Callable[[], Any]) -> Any:
        if name not in self._loaded:
            with self._locks[name]:
                if name not in self._loaded:
                    self._loaded[name] = load()
                    self._broken.pop(name, None)
        return self._loaded[name]
