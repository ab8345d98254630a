"""The worker-side handler: it loads the engines, warms them up with one tiny request, and then runs the work.

The service knows only the name of `load`; everything heavy is imported when a worker calls it.
"""

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from backend.contract.errors import MattemeshError
from backend.contract.settings import Settings
from backend.contract.work import KINDS, Done, Lane, OnStage, Work
from backend.workers.messages import Facts

if TYPE_CHECKING:
    from backend.engines.registry import Engines

logger = logging.getLogger("mattemesh")
WARM_UP: dict[Lane, str] = {"mask": "remove-bg", "mesh": "generate-mesh", "remote": "remove-bg"}
NETWORKS_SKIPPED = "Worker processes died while loading the networks; embedded engines are used until a restart."


class EngineHandler:
    """Runs work on the engines of this worker; `perform` is the function that does a piece of it."""

    def __init__(self, engines: "Engines", perform: "Callable[[Work, Engines, OnStage], Done]") -> None:
        self._engines, self._perform = engines, perform
        self.why = ""  # what went wrong while it was loaded, if anything did

    def perform(self, work: Work, on_stage: OnStage) -> Done:
        """Return the result of `work`; see `backend.workers.perform.perform`."""
        return self._perform(work, self._engines, on_stage)

    def facts(self) -> Facts:
        """Return what is loaded, what is broken, and the memory held on the GPU."""
        return Facts(self._engines.loaded(), self._engines.broken(), self.why, _gpu_bytes())

    def skip_networks(self) -> None:
        """Let `auto` use the embedded engines alone: loading the networks has ended this worker before."""
        self._engines.skip_networks(NETWORKS_SKIPPED)
        self.why = NETWORKS_SKIPPED


def load(settings: Settings, lane: Lane, skip_networks: bool) -> EngineHandler:
    """Return the handler of a worker of `lane`, warm: what `auto` uses is verified, loaded and has run once.

    A remote worker needs no network: its warm-up brings the mask along.
    """
    from backend.cache.stages import open_stages
    from backend.engines.registry import Engines
    from backend.workers.perform import perform

    handler = EngineHandler(Engines(settings, open_stages(settings)), perform)
    if skip_networks:
        handler.skip_networks()
    kind, drawn = WARM_UP[lane], _drawn()
    files = {"file": drawn, "mask": drawn} if lane == "remote" else {"file": drawn}
    try:
        handler.perform(Work(kind, files, KINDS[kind].options(), cache="avoid"), lambda stage: None)
    except MattemeshError as error:  # the requests that follow will meet the same
        handler.why = error.detail
        logger.error("the warm-up failed: %s", error.detail)
    return handler


def _drawn() -> bytes:
    """Return a small picture of a dark disc on a light ground, as a PNG."""
    import numpy as np

    from backend.images.encode import encode_rgb_png

    y, x = np.mgrid[:96, :96]
    disc = (x - 48) ** 2 + (y - 48) ** 2 < 30**2
    return encode_rgb_png(np.where(disc[..., None], [60, 40, 30], [225, 228, 230]).astype(np.uint8))


def _gpu_bytes() -> int | None:
    """Return the bytes that torch has reserved on this worker's GPU, None where it has none."""
    torch = sys.modules.get("torch")
    return int(torch.cuda.memory_reserved()) if torch is not None and torch.cuda.is_initialized() else None
