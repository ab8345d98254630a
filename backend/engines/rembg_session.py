"""Sessions of rembg as segmenters: `model=rembg:NAME`, for networks that our own ONNX runner does not serve.

A session gets the paths of files that are on disk and checked; its own download is never called. rembg is imported
here when the first session is opened, which takes seconds, and a minute in a new environment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as PillowImage

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.contract.marks import Click
from backend.contract.settings import Settings
from backend.engines.first_guess import FirstGuess
from backend.engines.network_errors import network_errors
from backend.engines.onnx_segmenter import device_of, onnxruntime_errors, providers_for, session_options
from backend.images.arrays import Image, Saliency, check_image
from backend.images.resize import enlarge_alpha, fit_longest_side
from backend.weights.catalogue import REMBG, Model
from backend.weights.on_disk import refuse_remote_session

CLOTH, SAM = f"{REMBG}u2net_cloth_seg", f"{REMBG}sam"
MAX_SIDE_PX = 2048  # longer side of the copy that a session sees: twice the largest network input

_TAKES = {CLOTH: frozenset({"cloth"}), SAM: frozenset({"points"})}
_NO_POINTS = f"No points were given: {SAM} took what is in the picture's middle."

Cloth = Literal["attire", "upper", "lower", "full"]


@dataclass(frozen=True)
class Prompt:
    """Input of a session beside the picture; a session ignores the parts that it has no use for."""

    cloth: Cloth = "attire"  # which clothes `u2net_cloth_seg` takes; "attire": all of them
    points: tuple[Click, ...] = ()  # in pixels of the picture, on the object (`keep`) or off it (`remove`), for `sam`


class RembgSegmenter:
    """A segmenter over one session of rembg; `predict` may be called from many threads at once."""

    one_scale = "a session of rembg is asked once"  # points would lie elsewhere in the other views

    def __init__(
        self, name: str, session: Any, device: str, memoize: Memoize = compute_always, prompt: Prompt | None = None
    ) -> None:
        self.name, self.device = name, device
        self._session, self._memoize, self._prompt = session, memoize, prompt or Prompt()

    @property
    def takes(self) -> frozenset[str]:
        """The parts of a prompt that the session has a use for."""
        return _TAKES.get(self.name, frozenset())

    def prompted(self, prompt: Prompt) -> "RembgSegmenter":
        """Return a segmenter over the same session that asks for `prompt`."""
        return RembgSegmenter(self.name, self._session, self.device, self._memoize, prompt)

    def predict(self, image: Image) -> FirstGuess:
        """Return the union of the session's masks of `image` ((H, W, 3) uint8 RGB), at its own size, in [0, 1].

        The session sees a copy of at most MAX_SIDE_PX and answers in 8 bits; most sessions stretch their answer to the
        full range. Raises ValueError for a wrong array, ModelUnavailableError when the network fails, OutOfMemoryError
        when it does not fit into memory.
        """
        check_image(image)
        seen = fit_longest_side(image, MAX_SIDE_PX)
        asked = self._asked(seen.shape[1] / image.shape[1], seen.shape[0] / image.shape[0])
        (small,) = self._memoize("segment", repr(asked), seen, lambda: (self._ask(seen, asked),))
        remarks = (_NO_POINTS,) if self.name == SAM and not self._prompt.points else ()
        chosen = self.name == CLOTH or bool(self._prompt.points)  # all of it is wanted, however many parts it has
        return FirstGuess(enlarge_alpha(small, image.shape), (), {"device": self.device}, remarks, chosen)

    def _asked(self, across: float, down: float) -> dict[str, Any]:
        """Return the prompt as rembg's sessions take it, for a copy scaled by `across` and `down`."""
        asked: dict[str, Any] = {"cc": self._prompt.cloth}
        if self._prompt.points:
            asked["sam_prompt"] = [
                {"type": "point", "label": int(point.mode == "keep"), "data": [point.x * across, point.y * down]}
                for point in self._prompt.points
            ]
        return asked

    def _ask(self, image: Image, asked: dict[str, Any]) -> Saliency:
        with network_errors(self.name, _session_errors()):
            masks = self._session.predict(PillowImage.fromarray(image), **asked)
        levels = [np.asarray(mask.convert("L")) for mask in masks]
        if not levels or any(level.shape != image.shape[:2] for level in levels):
            raise ModelUnavailableError(f"The session of {self.name} does not answer with masks.", model=self.name)
        saliency: Saliency = np.maximum.reduce(levels).astype(np.float32) / np.float32(255)
        return saliency


def _session_errors() -> tuple[type[Exception], ...]:
    """Return what a network with another signature than the session expects makes rembg raise."""
    return (*onnxruntime_errors(), ValueError, TypeError, IndexError)


def load_rembg(model: Model, files: Sequence[Path], settings: Settings, memoize: Memoize) -> RembgSegmenter:
    """Return the segmenter over the session that `model` names, opened on `files`.

    Raises InvalidParameterError for a session that rembg does not have or that sends pictures to a service,
    ModelUnavailableError when the files are not the session's networks.
    """
    from rembg.sessions import sessions  # imports numba

    name = model.name.removeprefix(REMBG)
    session_class = sessions.get(name)
    if session_class is None:
        raise InvalidParameterError(f"rembg has no session called {name}.", parameter="model")
    if not session_class.is_local() or session_class.requires_credentials():
        raise refuse_remote_session(model.name)
    paths = [str(file) for file in files]
    given = paths[0] if len(paths) == 1 else tuple(paths)
    fed = type("Fed", (session_class,), {"download_models": classmethod(lambda *_, **__: given)})
    providers = providers_for(settings.device)
    try:
        session = fed(name, session_options(settings.threads), providers=providers, model_path=paths[0])
    except onnxruntime_errors() as error:
        raise ModelUnavailableError(f"rembg cannot open the file of {model.name}.", model=model.name) from error
    opened = getattr(session, "inner_session", None) or session.encoder
    return RembgSegmenter(model.name, session, device_of(opened), memoize)
