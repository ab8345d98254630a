"""A saliency in, the level from which a pixel counts as object out; the alpha itself stays continuous."""

from dataclasses import dataclass

import numpy as np

from backend.images.arrays import Saliency, check_alpha


@dataclass(frozen=True)
class ThresholdConfig:
    """The clamp is narrow because a network's 0.5 is meaningful; Otsu is for a guess whose whole scale is off."""

    fixed: float | None = None  # used instead of Otsu's level (MASK_THRESHOLD)
    lowest: float = 0.35  # lower bound of Otsu's level (MASK_THRESHOLD_MIN)
    highest: float = 0.65  # upper bound of Otsu's level (MASK_THRESHOLD_MAX)

    def __post_init__(self) -> None:
        levels = (self.lowest, self.highest) if self.fixed is None else (self.fixed, self.fixed)
        if not 0.0 < levels[0] <= levels[1] < 1.0:
            raise ValueError(f"a threshold lies inside (0, 1), lowest first, not {levels}")


def choose_level(saliency: Saliency, config: ThresholdConfig) -> float:
    """Return the saliency from which a pixel counts as object: `saliency >= level`.

    Otsu (1979) separates the two peaks of the histogram. Between two clean peaks any level is as good, so 0.5 is
    preferred where its between-class variance is within 1 % of the best.
    """
    check_alpha(saliency)
    if config.fixed is not None:
        return config.fixed
    steps = np.rint(saliency * 255).astype(np.uint8)
    counts = np.bincount(steps.ravel(), minlength=256).astype(np.float64) / steps.size
    spread = _between_class_variance(counts)
    otsu = int(np.argmax(spread))
    middle = (otsu + 1) / 256 if spread[127] < 0.99 * spread[otsu] else 0.5
    return float(np.clip(middle, config.lowest, config.highest))


def _between_class_variance(
    counts: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    below = np.cumsum(counts)
    moment = np.cumsum(counts * np.arange(256))
    apart = (moment[-1] * below - moment) ** 2
    room = below * (1 - below)
    return np.asarray(np.divide(apart, room, out=np.zeros(256), where=room > 1e-12))
