"""The engines by name: which can be used here, each loaded once and shared between requests.

`auto` takes the best engine whose weights are on this machine and never fetches anything; weights that arrive while
the service runs are used from the next request on.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from backend.cache.identity import ABSENT, model_fingerprint
from backend.cache.memoize import Memoize
from backend.cache.stages import StageCache
from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.contract.mesh_engines import DEFAULT_MESH, MESH_ENGINES, STAND_IN_MESH
from backend.contract.settings import Settings
from backend.engines.first_guess import Segmenter
from backend.engines.load_segmenter import load_segmenter
from backend.engines.refiner import Refiner, open_refiner
from backend.mesh.engine import MeshEngine
from backend.weights.availability import auto_segmenters, describe, is_here, preferred_engines, why_not
from backend.weights.catalogue import EMBEDDED_ENGINES, EMBEDDED_SEGMENTER, SECOND_OPINION, Task

if TYPE_CHECKING:
    from backend.engines.depth_anything import DepthAnything

Load = Callable[[str, Memoize], Any]


@dataclass(frozen=True)
class _Loaded:
    """One engine in memory."""

    task: Task
    engine: Any
    fingerprint: str  # of its files when they were loaded: they may have been replaced since


class Engines:
    """Hands out engines by name. Threads may share it: the first to ask for an engine loads it.

    `settings` are those of every engine; `stages` memoizes what the networks compute.
    """

    def __init__(self, settings: Settings, stages: StageCache | None = None) -> None:
        self.settings = settings
        self.stages = stages or StageCache()
        self._loaded: dict[str, _Loaded] = {}
        self._broken: dict[str, str] = {}  # name -> why weights that are here cannot be used, until they can
        self._no_networks = ""  # why `auto` uses the embedded engines alone, if it does
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)  # a slow load blocks its own users only

    def segmenter(self, name: str = "auto") -> Segmenter:
        """Return the segmenter called `name`.

        Raises ModelUnavailableError when its weights are absent, broken or not allowed, InvalidParameterError for
        any other name.
        """
        segmenter: Segmenter = (
            self._auto("segmentation", auto_segmenters(self.settings), EMBEDDED_SEGMENTER, self._load_segmenter)
            if name == "auto"
            else self._use("segmentation", name, self._load_segmenter)
        )
        return segmenter

    def second_opinion(self, first: str) -> Segmenter | None:
        """Return the small network that is asked beside `first`; None where there is none.

        The operator's own choice (SEGMENTER) stands alone.
        """
        if self.settings.segmenter != "auto" or first == SECOND_OPINION:
            return None
        second: Segmenter | None = self._auto("segmentation", (SECOND_OPINION,), None, self._load_segmenter)
        return second

    def depth(self) -> "DepthAnything | None":
        """Return the depth network of the settings, or None where its weights are not on this machine."""
        network: DepthAnything | None = self._auto("depth", (self.settings.depth_model,), None, self._load_depth)
        return network

    def refiner(self) -> Refiner:
        """Return the learned refiner, which ships with the project. Raises ModelUnavailableError when it is broken."""
        return open_refiner(self.settings.threads, self.settings.device)

    def mesh_engine(self, name: str = "auto") -> MeshEngine:
        """Return the mesh engine called `name`.

        Raises ModelUnavailableError when its weights are absent or broken, InvalidParameterError for any other name.
        """
        if name != "auto" and name not in MESH_ENGINES:
            known = ", ".join(MESH_ENGINES)
            raise InvalidParameterError(f"No mesh engine has that name; there are {known}.", parameter="engine")
        engine: MeshEngine = (
            self._auto("mesh", (DEFAULT_MESH,), STAND_IN_MESH, self._load_mesh_engine)
            if name == "auto"
            else self._use("mesh", name, self._load_mesh_engine)
        )
        return engine

    def memoize(self, engine: str) -> Memoize:
        """Return what memoizes the answers of an engine that is in use."""
        return self.stages.of(f"{engine} {self._loaded[engine].fingerprint}")

    def skip_networks(self, why: str) -> None:
        """Have `auto` use the embedded engines alone from now on, for the reason `why`."""
        self._no_networks = why

    def loaded(self) -> dict[str, str]:
        """Return the networks in use and the device of each."""
        loaded = {name: row.engine for name, row in self._loaded.items() if name not in EMBEDDED_ENGINES}
        return {name: str(getattr(engine, "device", "cpu")) for name, engine in loaded.items()}

    def broken(self) -> dict[str, str]:
        """Return the networks that `auto` does not use although they are here, with the reason."""
        roles = preferred_engines(self.settings).values() if self._no_networks else ()
        names = [name for networks, _ in roles for name in networks if name not in EMBEDDED_ENGINES]
        return {**self._broken, **dict.fromkeys(names, self._no_networks)}

    def describe(self) -> dict[str, dict[str, str]]:
        """Return, for each role, the engine that `auto` uses now, its device, and why it is a stand-in if it is one."""
        return describe(self.settings, self.loaded(), self.broken())

    def why_not(self, name: str) -> str:
        """Return a sentence that says why `auto` does not use `name`, or "" when it does."""
        return why_not(name, self.settings, self.broken())

    def why_stand_in(self, segmenter: str) -> str:
        """Return a sentence that says why `auto` has taken `segmenter` in place of what it means, "" where it is that.

        A smaller network of our own order is none, as long as the operator has not asked for another.
        """
        best = auto_segmenters(self.settings)[0]
        ordinary = self.settings.segmenter == "auto" and segmenter != EMBEDDED_SEGMENTER
        return "" if ordinary or segmenter == best else self.why_not(best)

    def why_not_here(self, name: str) -> str:
        """Return a sentence that says why `name` cannot be loaded, "" where all that it needs is on the disk."""
        return why_not(name, self.settings, {})

    def _load_segmenter(self, name: str, memoize: Memoize) -> Segmenter:
        return load_segmenter(name, self.settings, memoize)

    def _load_depth(self, name: str, memoize: Memoize) -> "DepthAnything":
        from backend.engines.depth_anything import load_depth  # imports torch, which takes seconds

        return load_depth(name, self.settings, memoize)

    def _load_mesh_engine(self, name: str, memoize: Memoize) -> MeshEngine:
        engine: MeshEngine = resolve_name(MESH_ENGINES[name].load)(self.settings, memoize)
        return engine

    def _auto(self, task: Task, names: tuple[str, ...], stand_in: str | None, load: Load) -> Any:
        """Return the first of `names` that is here and loads, else the stand-in."""
        for name in names:
            if not self._no_networks and (name in self._loaded or not self.why_not_here(name)):
                try:
                    return self._use(task, name, load)
                except (ModelUnavailableError, InvalidParameterError):  # complete by its size, but broken
                    pass
            self.stages.took_part(name, ABSENT)
        return None if stand_in is None else self._get(task, stand_in, load).engine

    def _use(self, task: Task, name: str, load: Load) -> Any:
        loaded = self._get(task, name, load)
        self.stages.took_part(name, loaded.fingerprint)
        return loaded.engine

    def _get(self, task: Task, name: str, load: Load) -> _Loaded:
        loaded = self._loaded.get(name)
        if loaded is None or loaded.task != task:  # the name of another kind of engine: `load` refuses it
            here = is_here(name, self.settings)  # raises for an unknown name, before anything is kept of it
            with self._locks[name]:
                loaded = self._loaded.get(name)
                if loaded is None or loaded.task != task:
                    loaded = self._loaded[name] = self._load(task, name, load, here)
        return loaded

    def _load(self, task: Task, name: str, load: Load, here: bool) -> _Loaded:
        fingerprint = model_fingerprint(name, self.settings)
        try:
            engine = load(name, self.stages.of(f"{name} {fingerprint}"))
        except ModelUnavailableError as error:
            if here:  # complete by its size: only loading shows that it is broken
                self._broken[name] = error.detail
            raise
        self._broken.pop(name, None)
        return _Loaded(task, engine, fingerprint)


@cache
def default_engines() -> Engines:
    """Return the engines of the environment's settings, one set for every library call in this process."""
    return Engines(Settings())
