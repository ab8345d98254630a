"""What every segmenter gives back, and the one verb it has."""

from dataclasses import dataclass, field
from typing import Protocol

from backend.images.arrays import Image, Saliency


@dataclass(frozen=True)
class FirstGuess:
    """A segmenter's answer: the saliency at the image's own size, and what it has to say about it."""

    saliency: Saliency
    notes: tuple[str, ...] = ()  # sentences for the person who asked: why not to trust it
    facts: dict[str, float | int | str | bool] = field(default_factory=dict)  # for the report
    remarks: tuple[str, ...] = ()  # sentences that say nothing against it
    several: bool = False  # it shows more than one object because that was asked for


class Segmenter(Protocol):
    """Anything that finds the object. Implementations hold a network or nothing; they are safe to share."""

    @property
    def name(self) -> str: ...

    @property
    def one_scale(self) -> str:
        """Why it is never asked at several scales, "" where it can be."""
        ...

    def predict(self, image: Image) -> FirstGuess:
        """Return the saliency of `image` ((H, W, 3) uint8 RGB) as (H, W) float32 in [0, 1]."""
        ...
