"""The networks and their stand-ins: which can be used here, loaded once and shared between requests.

`auto` takes the best engine whose weights are on this machine and never fetches anything; weights that arrive while
the service runs are taken into use by the next request.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from backend.cache.identity import ABSENT, EMBEDDED, model_fingerprint
from backend.cache.memoize import Memoize
from backend.cache.stages import StageCache
from backend.contract.errors import ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.border.border import BorderSegmenter
from backend.engines.first_guess import Segmenter
from backend.engines.load_segmenter import load_segmenter
from backend.mesh.engine import MeshEngine
from backend.mesh.relief import ReliefEngine
from backend.weights.availability import DEFAULT_MESH, check_size, describe, find_depth_weights, is_here, why_not
from backend.weights.catalogue import DEFAULT_SEGMENTER
from backend.weights.on_disk import require_model
from backend.weights.remote_services import REMOTE_SERVICES

if TYPE_CHECKING:
    from backend.depth_masking import DepthMasker

Engine = TypeVar("Engine")


class Engines:
    """Hands out engines by name. Safe to share between threads: each is loaded by whoever asks first.

    `stages` is where the networks look up what they have computed before.
    """

    def __init__(self, settings: Settings, stages: StageCache | None = None) -> None:
        self.settings = settings
        self.stages = stages or StageCache()
        self._border: Segmenter = BorderSegmenter(memoize=self.stages.of("border"))
        self._relief: MeshEngine = ReliefEngine()
        self._loaded: dict[str, Any] = {"border": self._border, "relief": self._relief}
        self._fingerprints: dict[str, str] = {}  # of what is loaded, as it was on the disk then
        self._broken: dict[str, str] = {}  # name -> why it cannot be used though its files are here; until it can
        self._aside = ""  # why no network is used at all, if none is
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)  # a slow load holds up its own users only

    def segmenter(self, name: str = "auto") -> Segmenter:
        """Return the segmenter called `name`.

        Raises ModelUnavailableError when its weights are absent, broken or not allowed, InvalidParameterError for a
        name nobody knows.
        """
        if name == "auto":
            return self._auto(DEFAULT_SEGMENTER, self.segmenter, self._border)
        settings = self.settings
        if name in REMOTE_SERVICES:
            remote: Segmenter = self._load(name, lambda memoize: _open_remote(name, settings, memoize))
            return remote
        segmenter: Segmenter = self._load(
            name,
            lambda memoize: load_segmenter(
                name,
                settings.checkpoints_dir,
                settings.threads,
                settings.allow_noncommercial,
                settings.device,
                memoize,
                settings.batch_size,
            ),
        )
        return segmenter

    def depth(self) -> "DepthMasker | None":
        """Return the depth network of the settings, or None where its weights are not on this machine."""
        return self._auto(self.settings.depth_model, self._depth, None)

    def _depth(self, name: str) -> "DepthMasker | None":
        from backend.depth_masking import DepthMasker

        def load(memoize: Memoize) -> DepthMasker:
            settings = self.settings
            weights = find_depth_weights(name, settings.checkpoints_dir)
            device = None if settings.device == "auto" else settings.device
            masker = DepthMasker.from_checkpoint(
                weights, settings.depth_size_px, device, "fast", memoize, settings.batch_size
            )
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

    def _triposr(self, memoize: Memoize) -> MeshEngine:
        from backend.engines.triposr import TripoSREngine  # imports torch, which takes seconds

        own = self.settings.triposr_weights
        weights = own or require_model(DEFAULT_MESH, self.settings.checkpoints_dir)["model.ckpt"]
        return TripoSREngine(weights, self.settings.device, memoize=memoize, batch_size=self.settings.batch_size)

    def set_aside(self, why: str) -> None:
        """Have `auto` stand on the embedded engines from now on, for the reason `why`."""
        self._aside = why

    def loaded(self) -> dict[str, str]:
        """Return the networks in use and the device of each."""
        embedded = (self._border, self._relief)
        return {
            name: str(getattr(engine, "device", "cpu"))
            for name, engine in self._loaded.items()
            if engine not in embedded
        }

    def broken(self) -> dict[str, str]:
        """Return the networks that `auto` has tried and leaves alone, with the reason."""
        names = (DEFAULT_SEGMENTER, self.settings.depth_model, DEFAULT_MESH) if self._aside else ()
        return {**self._broken, **dict.fromkeys(names, self._aside)}

    def describe(self) -> dict[str, dict[str, str]]:
        """Return, for each role, the engine that `auto` uses now, its device, and why it is a stand-in if it is one."""
        return describe(self.settings, self.loaded(), self.broken())

    def why_not(self, name: str) -> str:
        """Return a sentence that says why `auto` stands on a stand-in instead of `name`, or "" when it does not."""
        return why_not(name, self.settings, self.broken())

    def _auto(self, name: str, load: Callable[[str], Engine], stand_in: Engine) -> Engine:
        if self._aside or (name not in self._loaded and not is_here(name, self.settings)):
            self.stages.took_part(name, ABSENT)
            return stand_in
        try:
            return load(name)
        except ModelUnavailableError:  # complete by its size and yet not what it should be
            self.stages.took_part(name, ABSENT)
            return stand_in

    def _load(self, name: str, load: Callable[[Memoize], Any]) -> Any:
        if name not in self._loaded:
            here = is_here(name, self.settings)  # of a name that nobody knows nothing may be kept, not even a lock
            with self._locks[name]:
                if name not in self._loaded:
                    self._loaded[name] = self._load_anew(name, load, here)
        self.stages.took_part(name, self._fingerprints.get(name, EMBEDDED))
        return self._loaded[name]

    def _load_anew(self, name: str, load: Callable[[Memoize], Any], here: bool) -> Any:
        fingerprint = model_fingerprint(name, self.settings)
        self._fingerprints[name] = fingerprint
        try:
            loaded = load(self.stages.of(f"{name} {fingerprint}"))
        except ModelUnavailableError as error:
            if here:  # complete by its size: only whoever has tried knows that it is no good
                self._broken[name] = error.detail
            raise
        self._broken.pop(name, None)
        return loaded


@cache
def default_engines() -> Engines:
    """Return the engines of the environment's settings, one set for every library call in this process."""
    return Engines(Settings())


def _open_remote(name: str, settings: Settings, memoize: Memoize) -> Segmenter:
    from backend.engines.remote.segmenter import open_remote  # imports httpx

    return open_remote(name, settings, memoize)
