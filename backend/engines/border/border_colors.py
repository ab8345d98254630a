"""The colours of the picture's border, for the report: they show how far the border is a reliable background.

Read at 80 points along the perimeter, 20 a side; each is the median of a small window, so that a speck does not count.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_A_SIDE = 20  # samples along one side of the picture
_RADIUS = 12.0  # colours closer than this in Lab are one: a vignette or uneven light does as much to one wall


@dataclass(frozen=True)
class BorderColors:
    """Colours in Lab (L in 0..100); shares in [0, 1]."""

    mean: NDArray[np.float64]  # (3,) of the samples that belong to the widest colour
    deviation: float  # root mean square distance of those samples from their mean
    modes: int  # colours that cover at least 5 % of the border each
    widest_share: float  # of the samples that belong to the widest colour

    @property
    def uniform(self) -> bool:
        """Whether one calm colour has at least two thirds of the samples: the rest may be the object."""
        return self.widest_share >= 0.66 and self.deviation <= 4.0


def read_border(lab: NDArray[np.float32]) -> BorderColors:
    """Return the colours along the frame of `lab` ((H, W, 3) float32 Lab)."""
    samples = _sample_perimeter(lab)
    apart = np.linalg.norm(samples[:, None] - samples[None], axis=2)
    free = np.ones(len(samples), dtype=bool)
    shares: list[float] = []
    widest = free
    while free.any():
        members = (apart <= _RADIUS) & free[None]
        seed = int(np.argmax(np.where(free, members.sum(axis=1), -1)))
        if not shares:
            widest = members[seed]
        shares.append(float(members[seed].mean()))
        free &= ~members[seed]
    mean = samples[widest].mean(axis=0)
    deviation = float(np.sqrt(((samples[widest] - mean) ** 2).sum(axis=1).mean()))
    return BorderColors(mean, deviation, sum(share >= 0.05 for share in shares), shares[0])


def _sample_perimeter(lab: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (80, 3): medians of windows of 1/40 of the shorter side, evenly spaced along the four sides."""
    height, width = lab.shape[:2]
    size = max(1, min(height, width) // 40)
    along_x = np.linspace(0, width - size, _A_SIDE).astype(int)
    along_y = np.linspace(0, height - size, _A_SIDE).astype(int)
    corners = [(0, x) for x in along_x] + [(height - size, x) for x in along_x]
    corners += [(y, 0) for y in along_y] + [(y, width - size) for y in along_y]
    windows = [lab[y : y + size, x : x + size].reshape(-1, 3) for y, x in corners]
    return np.array([np.median(window, axis=0) for window in windows], dtype=np.float64)
