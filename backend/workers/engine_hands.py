"""What does the work in a worker: the engines, loaded and warmed up by a small piece of the lane's own work.

The service knows only the name of `load`; everything heavy is imported when a worker calls it.
"""

import logging
import sys

from backend.contract.errors import MattemeshError
from backend.contract.settings import Settings
from backend.contract.work import KINDS, Done, Lane, OnStage, Work
from backend.workers.messages import Facts, Hands

logger = logging.getLogger("mattemesh")
WARM_UP: dict[Lane, str] = {"mask": "remove-bg", "mesh": "generate-mesh"}
BARE = "The worker ended while it loaded the networks; it stands on the embedded engines until the service restarts."


def load(settings: Settings, lane: Lane, bare: bool) -> Hands:
    """Return the hands of a worker of `lane`, warm: what `auto` uses is verified, loaded and has run once.

    `bare`: `auto` leaves the networks alone.
    """
    from backend.cache.stages import open_stages
    from backend.engines.registry import Engines
    from backend.workers.perform import perform

    engines = Engines(settings, open_stages(settings))
    if bare:
        engines.set_aside(BARE)

    class EngineHands:
        """The pipeline, on this worker's engines."""

        why = BARE if bare else ""

        def perform(self, work: Work, on_stage: OnStage) -> Done:
            return perform(work, engines, on_stage)

        def facts(self) -> Facts:
            return Facts(engines.loaded(), engines.broken(), self.why, _gpu_bytes())

    hands = EngineHands()
    kind = WARM_UP[lane]
    try:
        perform(Work(kind, {"file": _drawn()}, KINDS[kind].options(), cache="avoid"), engines, lambda stage: None)
    except MattemeshError as error:  # the work that follows will be told the same
        hands.why = error.detail
        logger.error("the warm-up failed: %s", error.detail)
    return hands


def _drawn() -> bytes:
    """Return a small picture of a dark disc on a light ground, as a PNG."""
    import numpy as np

    from backend.images.png import encode_rgb_png

    y, x = np.mgrid[:96, :96]
    disc = (x - 48) ** 2 + (y - 48) ** 2 < 30**2
    return encode_rgb_png(np.where(disc[..., None], [60, 40, 30], [225, 228, 230]).astype(np.uint8))


def _gpu_bytes() -> int | None:
    """Return what torch holds of this worker's GPU, None where it has none."""
    torch = sys.modules.get("torch")
    return int(torch.cuda.memory_reserved()) if torch is not None and torch.cuda.is_initialized() else None
