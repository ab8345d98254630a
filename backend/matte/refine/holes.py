"""A mask in, the same mask with its pinholes filled out; a ring, a mug's handle or a chair's back stays open."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from backend.images.arrays import Mask, Saliency, check_mask, check_same_size

HolePolicy = Literal["auto", "keep", "fill", "open"]


@dataclass(frozen=True)
class HolesConfig:
    policy: HolePolicy = "auto"  # auto: fill unsure pinholes; fill: fill holes up to `fill_share`; keep, open: none
    pinhole_share: float = 0.0008  # largest hole that `auto` fills, as a share of the object's area
    fill_share: float = 0.25  # largest hole that `fill` fills, as a share of the object's area
    open_below: float = 0.46  # `auto` keeps a pinhole whose mean saliency is at most this: it is background

    def __post_init__(self) -> None:
        if self.policy not in ("auto", "keep", "fill", "open"):
            raise ValueError(f"a hole policy is auto, keep, fill or open, not {self.policy}")


def settle_holes(mask: Mask, saliency: Saliency, config: HolesConfig) -> tuple[Mask, int]:
    """Return `mask` with holes filled by the policy, and how many were filled.

    A hole is background without a path of 4-neighbour steps to the frame.
    """
    check_mask(mask)
    check_same_size(mask, saliency)
    labels, areas = label_holes(mask)
    if not len(areas):
        return mask.copy(), 0
    limit = config.fill_share if config.policy == "fill" else config.pinhole_share
    closing = areas <= limit * np.count_nonzero(mask)
    if config.policy in ("keep", "open"):
        closing[:] = False
    elif config.policy == "auto":
        total = np.bincount(labels.ravel(), saliency.ravel(), minlength=len(areas) + 1)[1:]
        closing &= total / areas > config.open_below
    fill = np.concatenate([[False], closing])
    return mask | fill[labels], int(closing.sum())


def label_holes(
    mask: Mask,
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int32]], np.ndarray[tuple[int, ...], np.dtype[np.int32]]]:
    """Return an (H, W) int32 map, 0 outside holes and 1..N inside, and the N areas in pixels."""
    framed = cv2.copyMakeBorder((~mask).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(framed, connectivity=4)
    outside = labels[0, 0]
    numbers = np.zeros(len(stats), np.int32)
    holes = [label for label in range(1, len(stats)) if label != outside]
    numbers[holes] = np.arange(1, len(holes) + 1)
    return numbers[labels[1:-1, 1:-1]], np.asarray(stats[holes, cv2.CC_STAT_AREA], np.int32)
