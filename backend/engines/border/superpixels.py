"""A picture as a few hundred patches of one colour each, and who touches whom: the graph on which the border's
colours spread. Patches instead of pixels make all-pairs distances affordable."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Superpixels:
    """N patches of a picture; every patch is connected, labels run from 0 to N - 1."""

    labels: NDArray[np.intp]  # (H, W)
    colors: Floats  # (N, 3) mean Lab
    centers: Floats  # (N, 2) x, y in units of the picture's longer side
    areas: Floats  # (N,) pixels
    frame_lengths: Floats  # (N,) pixels of the picture's frame that lie in the patch
    corners: NDArray[np.intp]  # (4,) patches in the picture's corners
    pairs: NDArray[np.intp]  # (E, 2) patches that touch, smaller label first, each pair once


def split_superpixels(lab: NDArray[np.float32], count: int) -> Superpixels:
    """Return about `count` patches of `lab` ((H, W, 3) float32 Lab with L in 0..100), by SLIC (Achanta et al. 2012)."""
    height, width = lab.shape[:2]
    side = max(4, int(np.sqrt(height * width / count)))
    # 8-bit Lab has the same scale in all three channels only after L is stretched; SLIC is run on that, as usual.
    stretched = np.clip(lab * np.array([2.55, 1, 1]) + np.array([0, 128, 128]), 0, 255).astype(np.uint8)
    slic = cv2.ximgproc.createSuperpixelSLIC(stretched, cv2.ximgproc.SLIC, side, 12.0)
    slic.iterate(8)
    slic.enforceLabelConnectivity(25)
    _, inverse = np.unique(slic.getLabels(), return_inverse=True)
    labels = inverse.reshape(height, width)
    return _describe(lab, labels)


def _describe(lab: NDArray[np.float32], labels: NDArray[np.intp]) -> Superpixels:
    flat, (height, width) = labels.ravel(), labels.shape
    n = int(flat.max()) + 1
    areas = np.bincount(flat, minlength=n).astype(np.float64)

    def mean(values: NDArray[np.generic]) -> Floats:
        means: Floats = np.bincount(flat, values.ravel(), n) / areas
        return means

    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return Superpixels(
        labels=labels,
        colors=np.stack([mean(lab[..., channel]) for channel in range(3)], axis=1),
        centers=np.stack([mean(x), mean(y)], axis=1),
        areas=areas,
        frame_lengths=np.bincount(frame, minlength=n).astype(np.float64),
        corners=labels[[0, 0, -1, -1], [0, -1, 0, -1]],
        pairs=_touching(labels, n),
    )


def _touching(labels: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return each pair of labels that meet sideways, upright or diagonally."""
    meets = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:]), (labels[:-1, :-1], labels[1:, 1:])]
    keys = [np.minimum(a, b)[a != b] * n + np.maximum(a, b)[a != b] for a, b in meets]
    unique = np.unique(np.concatenate(keys))
    return np.stack([unique // n, unique % n], axis=1)
