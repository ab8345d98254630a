"""How firmly each superpixel hangs together with the picture's border, and how much it stands out from what does.

The measure is the boundary connectivity of Zhu, Liang, Wei and Sun, "Saliency Optimization from Robust Background
Detection" (CVPR 2014): an object that touches the frame with a small part of itself stays an object, while a
background that the object covers to a large part stays a background. What is new here is the scale: all distances
are judged against the background's own unrest, read along the border, so that white on white counts as much as red on
a carpet.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from backend.engines.border.superpixels import Floats, Superpixels


@dataclass(frozen=True)
class Connectivity:
    """Per superpixel, and between them; `background` and `contrast` lie in [0, 1]."""

    unrest: float  # Lab units: what neighbours along the border differ by
    color_distance: Floats  # (N, N) Lab
    background: Floats  # (N,) weight of the evidence that it is background
    contrast: Floats  # (N,) weight of the evidence that it is object


@dataclass(frozen=True)
class ConnectivityConfig:
    """Scales in Lab units and in units of the picture's longer side."""

    unrest_percentile: float = 70.0  # of the steps along the border: an object touching the frame stays outvoted
    free_step: tuple[float, float] = (0.3, 3.0)  # a step up to the unrest costs nothing, within these bounds
    reach: tuple[float, float] = (1.0, 5.0)  # a patch three unrests away is another thing, within these bounds
    cornerless: float = 0.3  # what a piece of the frame counts that is like no corner
    calm: tuple[float, float] = (3.0, 7.0)  # unrest up to which that holds, and from which it does not
    nearness: float = 0.25  # contrast counts against what lies within a quarter of the picture (the paper's value)
    least_contrast: float = 0.8  # contrast that counts as full evidence: keeps noise on a blank wall from counting


def measure_connectivity(patches: Superpixels, config: ConnectivityConfig | None = None) -> Connectivity:
    """Return the evidence for background and object of each of `patches` (two or more)."""
    config = config or ConnectivityConfig()
    color_distance = np.linalg.norm(patches.colors[:, None] - patches.colors[None], axis=2)
    unrest = _border_unrest(patches, color_distance, config.unrest_percentile)
    shares = patches.areas / patches.areas.mean()
    free, reach = np.clip(unrest, *config.free_step), np.clip(3.0 * unrest, *config.reach)
    alike = np.exp(-(_geodesics(patches, color_distance, free) ** 2) / (2 * reach**2))
    # The four corners are ground in nearly every photo of one object; what touches the frame of a calm picture and is
    # like none of them is rather the object running out of it.
    lively = np.clip((unrest - config.calm[0]) / (config.calm[1] - config.calm[0]), 0.0, 1.0)
    least = config.cornerless + (1 - config.cornerless) * lively
    ground = least + (1 - least) * alike[:, patches.corners].max(axis=1)
    on_frame = alike @ (ground * patches.frame_lengths / np.sqrt(patches.areas.mean()))
    connectivity = on_frame / np.sqrt(alike @ shares)
    background = 1.0 - np.exp(-(connectivity**2) / 2)
    apart = np.linalg.norm(patches.centers[:, None] - patches.centers[None], axis=2)
    near = np.exp(-(apart**2) / (2 * config.nearness**2))
    contrast = (color_distance * near * background * (patches.areas / patches.areas.sum())).sum(axis=1)
    contrast /= max(float(np.percentile(contrast, 99)), config.least_contrast)
    return Connectivity(float(unrest), color_distance, background, np.clip(contrast, 0.0, 1.0))


def _border_unrest(patches: Superpixels, color_distance: Floats, percentile: float) -> float:
    """Return what touching superpixels differ by in the two outermost rings of the picture."""
    outer = patches.frame_lengths > 0
    a, b = patches.pairs.T
    ring = outer.copy()
    ring[b[outer[a]]] = True
    ring[a[outer[b]]] = True
    along = ring[a] & ring[b]
    return float(np.percentile(color_distance[a[along], b[along]], percentile)) if along.any() else 0.0


def _geodesics(patches: Superpixels, color_distance: Floats, free: float) -> Floats:
    """Return the (N, N) lengths of the cheapest ways; all superpixels on the frame count as touching each other."""
    count = len(patches.areas)
    frame = np.flatnonzero(patches.frame_lengths > 0)
    linked = np.zeros((count, count), dtype=bool)
    linked[patches.pairs[:, 0], patches.pairs[:, 1]] = True
    linked[np.ix_(frame, frame)] = True  # a wall interrupted by the object is still one wall
    a, b = np.nonzero(np.triu(linked | linked.T, 1))
    steps = np.maximum(color_distance[a, b] - free, 0.0) + 1e-4  # a stored zero would mean: no edge
    lengths: Floats = dijkstra(csr_matrix((steps, (a, b)), (count, count)), directed=False)
    return lengths
