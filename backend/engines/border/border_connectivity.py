"""Measures how strongly each superpixel is connected to the picture's border, and its contrast with the background.

The measure is the boundary connectivity of Zhu, Liang, Wei and Sun, "Saliency Optimization from Robust Background
Detection" (CVPR 2014): an object that touches the frame with a small part of itself stays an object, while a
background that the object covers to a large part stays a background. Unlike the paper, all distances are relative to
the background's own unrest, read along the border, so that white on white counts as much as red on a carpet.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from backend.engines.border.superpixels import Floats, Superpixels

# Colours are in Lab units, lengths in units of the picture's longer side.
UNREST_PERCENTILE = 70.0  # of the colour steps along the border: an object that touches the frame stays outvoted
FREE_STEP = (0.3, 3.0)  # bounds of the colour step that costs nothing, which is the unrest
REACH = (1.0, 5.0)  # bounds of the colour distance at which a patch is another thing, which is three unrests
CORNERLESS = 0.3  # weight of a piece of a calm picture's frame that is like none of its corners
CALM = (3.0, 7.0)  # a picture is calm below the first unrest, lively above the second
NEARNESS = 0.25  # how far contrast reaches: a quarter of the picture (the paper's value)
MIN_CONTRAST = 0.8  # least contrast that is full evidence for the object: keeps noise on a blank wall from counting


@dataclass(frozen=True)
class Connectivity:
    """Per superpixel, and between them; `background` and `contrast` lie in [0, 1]."""

    unrest: float  # Lab units: how much neighbours along the border differ
    color_distance: Floats  # (N, N) Lab
    background: Floats  # (N,) weight of the evidence that it is background
    contrast: Floats  # (N,) weight of the evidence that it is object


def measure_connectivity(patches: Superpixels) -> Connectivity:
    """Return the evidence for background and object of each of `patches` (two or more)."""
    color_distance = np.linalg.norm(patches.colors[:, None] - patches.colors[None], axis=2)
    unrest = _border_unrest(patches, color_distance, UNREST_PERCENTILE)
    shares = patches.areas / patches.areas.mean()
    free, reach = np.clip(unrest, *FREE_STEP), np.clip(3.0 * unrest, *REACH)
    alike = np.exp(-(_geodesics(patches, color_distance, free) ** 2) / (2 * reach**2))
    # The four corners are ground in nearly every photo of one object; what touches the frame of a calm picture and is
    # like none of them is rather the object running out of it.
    lively = np.clip((unrest - CALM[0]) / (CALM[1] - CALM[0]), 0.0, 1.0)
    least = CORNERLESS + (1 - CORNERLESS) * lively
    ground = least + (1 - least) * alike[:, patches.corners].max(axis=1)
    on_frame = alike @ (ground * patches.frame_lengths / np.sqrt(patches.areas.mean()))
    connectivity = on_frame / np.sqrt(alike @ shares)
    background = 1.0 - np.exp(-(connectivity**2) / 2)
    apart = np.linalg.norm(patches.centers[:, None] - patches.centers[None], axis=2)
    near = np.exp(-(apart**2) / (2 * NEARNESS**2))
    contrast = (color_distance * near * background * (patches.areas / patches.areas.sum())).sum(axis=1)
    contrast /= max(float(np.percentile(contrast, 99)), MIN_CONTRAST)
    return Connectivity(float(unrest), color_distance, background, np.clip(contrast, 0.0, 1.0))


def _border_unrest(patches: Superpixels, color_distance: Floats, percentile: float) -> float:
    """Return how much touching superpixels differ in the two outermost rings of the picture."""
    outer = patches.frame_lengths > 0
    a, b = patches.pairs.T
    ring = outer.copy()
    ring[b[outer[a]]] = True
    ring[a[outer[b]]] = True
    along = ring[a] & ring[b]
    return float(np.percentile(color_distance[a[along], b[along]], percentile)) if along.any() else 0.0


def _geodesics(patches: Superpixels, color_distance: Floats, free: float) -> Floats:
    """Return the (N, N) lengths of the cheapest paths; all superpixels on the frame count as neighbours."""
    count = len(patches.areas)
    frame = np.flatnonzero(patches.frame_lengths > 0)
    linked = np.zeros((count, count), dtype=bool)
    linked[patches.pairs[:, 0], patches.pairs[:, 1]] = True
    linked[np.ix_(frame, frame)] = True  # a wall interrupted by the object is still one wall
    a, b = np.nonzero(np.triu(linked | linked.T, 1))
    steps = np.maximum(color_distance[a, b] - free, 0.0) + 1e-4  # a stored zero would mean: no edge
    lengths: Floats = dijkstra(csr_matrix((steps, (a, b)), (count, count)), directed=False)
    return lengths
