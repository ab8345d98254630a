"""From evidence for object and background to one saliency per superpixel: a smooth compromise, then one correction
by the colours that the compromise itself calls object and background."""

import numpy as np

from backend.engines.border.border_connectivity import Connectivity
from backend.engines.border.superpixels import Floats, Superpixels

BACKGROUND_WEIGHT = 5.0  # of background against object evidence (Zhu et al. 2014)
SMOOTH_COLOR = (4.0, 10.0)  # bounds in Lab of the colour scale of smoothing, which is five unrests
SMOOTH_FLOOR = 0.1  # weight with which even unlike neighbours pull (the paper's value)
MODEL_COLOR = (4.0, 10.0)  # bounds in Lab of the colour scale of the colour models, which is three unrests
MODEL_REACH = 0.3  # of the longer side: colour models are local, the wall's does not rule the table
MODEL_WEIGHT = 3.0  # of the colour models against the evidence


def solve_saliency(patches: Superpixels, link: Connectivity) -> Floats:
    """Return (N,) values in [0, 1]."""
    smooth = _smoothness(patches, link)
    evidence = BACKGROUND_WEIGHT * link.background + link.contrast
    first = np.clip(np.linalg.solve(smooth + np.diag(evidence), link.contrast), 0.0, 1.0)
    wish = 0.5 * (first + _color_vote(patches, link, first))
    weight = MODEL_WEIGHT
    pulls = np.diag(evidence + weight)
    return np.clip(np.linalg.solve(smooth + pulls, link.contrast + weight * wish), 0.0, 1.0)


def _smoothness(patches: Superpixels, link: Connectivity) -> Floats:
    """Return the (N, N) graph Laplacian: alike neighbours should agree, superpixels on the frame among each other."""
    count = len(patches.areas)
    linked = np.zeros((count, count), dtype=bool)
    linked[patches.pairs[:, 0], patches.pairs[:, 1]] = True
    frame = np.flatnonzero(patches.frame_lengths > 0)
    linked[np.ix_(frame, frame)] = True
    linked |= linked.T
    np.fill_diagonal(linked, False)
    scale = np.clip(5.0 * link.unrest, *SMOOTH_COLOR)
    weights = linked * (np.exp(-(link.color_distance**2) / (2 * scale**2)) + SMOOTH_FLOOR)
    laplacian: Floats = np.diag(weights.sum(axis=1)) - weights
    return laplacian


def _color_vote(patches: Superpixels, link: Connectivity, first: Floats) -> Floats:
    """Return the share of object among what is alike and near, with doubtful superpixels hardly counting."""
    scale = np.clip(3.0 * link.unrest, *MODEL_COLOR)
    apart = ((patches.centers[:, None] - patches.centers[None]) ** 2).sum(axis=2)
    alike = np.exp(-(link.color_distance**2) / (2 * scale**2) - apart / (2 * MODEL_REACH**2)) * patches.areas
    for_object, for_background = alike @ first**2, alike @ (1.0 - first) ** 2
    share: Floats = for_object / (for_object + for_background + 1e-9)
    return share
