"""The interface of every segmenter: one verb, one result."""

from dataclasses import dataclass, field
from typing import Protocol

from backend.images.arrays import Image, Saliency


@dataclass(frozen=True)
class FirstGuess:
    """A segmenter's answer: the saliency at the image's own size, with notes and figures."""

    saliency: Saliency
    notes: tuple[str, ...] = ()  # sentences for the user: reasons to doubt it
    facts: dict[str, float | int | str | bool] = field(default_factory=dict)  # figures for the report
    remarks: tuple[str, ...] = ()  # sentences for the user that cast no doubt on it
    several: bool = False  # it shows more than one object, as the request asked
    exact: bool = False  # its outline and edge were read from the picture's pixels: nothing is left to refine
    by_color: bool = False  # told by colour alone: an enclosed area in the backdrop's colour may be printed


class Segmenter(Protocol):
    """Anything that finds the object. Threads may share it."""

    @property
    def name(self) -> str: ...

    @property
    def one_scale(self) -> str:
        """The reason why it is never asked at several scales, "" where it can be."""
        ...

    def predict(self, image: Image) -> FirstGuess:
        """Return the saliency of `image` ((H, W, 3) uint8 RGB) as (H, W) float32 in [0, 1]."""
        ...
