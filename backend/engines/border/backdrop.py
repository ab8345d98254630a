"""A plain backdrop, modelled well enough that every pixel which differs from it is the object: exact to the pixel.

The backdrop's colour along the frame is fitted by a smooth surface that the object cannot bend. What departs from it is
object, except soft shadows; an area in the backdrop's colour that the object encloses is open or printed, by its shape.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Mask

Floats = NDArray[np.float32]

RING = 0.008  # depth of the frame that is read, as a share of the shorter side: margins may be narrow
LEAST_SHARE = 0.55  # of the frame that the fitted backdrop explains; the object may run out of the rest
MOST_NOISE = 2.5  # deviation in Lab of a plain backdrop from its fit; carpets and wood have 3 and more
ALL_ROUND = 0.95  # of the frame: where the backdrop has less of it, a scene's wall is told from it by its noise
LEAST_NOISE = 1.1  # deviation that is allowed there
SCALES = (24.0, 12.0, 6.0, 3.0)  # Lab: what the fit takes for an outlier, narrower each time


@dataclass(frozen=True)
class Backdrop:
    """The fitted backdrop at the working size."""

    color: Floats  # (H, W, 3) Lab
    noise: float  # Lab: deviation of the frame from the fit
    share: float  # of the frame that the fit explains


def fit_backdrop(lab: Floats) -> Backdrop | None:
    """Return the plain backdrop of `lab` ((H, W, 3) float32 Lab), or None where the frame has no such colour."""
    height, width = lab.shape[:2]
    depth = max(2, round(RING * min(height, width)))
    ring = np.zeros((height, width), np.bool_)
    ring[:depth] = ring[-depth:] = True
    ring[:, :depth] = ring[:, -depth:] = True
    ys, xs = np.nonzero(ring)
    step = max(1, len(ys) // 6000)
    ys, xs = ys[::step], xs[::step]
    samples = lab[ys, xs].astype(np.float64)
    terms = _terms(ys / height, xs / width)
    start = _commonest(samples)
    off = np.linalg.norm(samples - start, axis=1)
    weight = 1 / (1 + (off / SCALES[0]) ** 2) ** 2
    count = 3  # a plane first: a curved surface would bend toward an object that runs out of the frame
    fit = np.zeros((len(terms[0]), 3))
    for number, scale in enumerate(SCALES):
        count = 3 if number < 2 else terms.shape[1]
        root = np.sqrt(weight)[:, None]
        ridge = 1e-3 * len(samples) * np.eye(count)
        ridge[0, 0] = 0
        used = terms[:, :count] * root
        found = np.linalg.solve(used.T @ used + ridge, used.T @ (samples * root))
        fit = np.zeros((terms.shape[1], 3))
        fit[:count] = found
        off = np.linalg.norm(samples - terms @ fit, axis=1)
        weight = 1 / (1 + (off / scale) ** 2) ** 2
    near = off < 6.0
    share = float(near.mean())
    if share < LEAST_SHARE:
        return None
    noise = float(np.sqrt((off[near] ** 2).mean()))
    if noise > (MOST_NOISE if share >= ALL_ROUND else LEAST_NOISE):
        return None
    color = _surface(fit.astype(np.float32), height, width)
    return Backdrop(color, noise, share)


def _surface(fit: NDArray[np.float32], height: int, width: int) -> Floats:
    y = (2 * np.arange(height, dtype=np.float32) / height - 1)[:, None, None]
    x = (2 * np.arange(width, dtype=np.float32) / width - 1)[None, :, None]
    surface = fit[0] + y * (fit[1] + y * fit[3]) + x * (fit[2] + x * fit[4]) + (x * y) * fit[5]
    return np.asarray(surface, np.float32)


def _terms(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    y, x = 2 * y - 1, 2 * x - 1
    return np.stack([np.ones_like(y), y, x, y * y, x * x, x * y], axis=1)


def _commonest(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean colour of the largest group of like samples."""
    few = samples[:: max(1, len(samples) // 400)]
    apart = np.linalg.norm(few[:, None] - few[None], axis=2) < 8.0
    members = apart[int(np.argmax(apart.sum(axis=1)))]
    return np.asarray(few[members].mean(axis=0))


LOW = (2.0, 2.0)  # Lab: departure that may be object, and how much of it for each unit of noise
STRONG = 1.6  # times that: some of an object's pixels depart as much
SPECK = 4e-5  # of the picture: smallest thing that is told from dust
NEARBY = 0.05  # of the longer side: how far the fit is corrected by the backdrop seen nearby


def measure_departure(lab: Floats, backdrop: Backdrop) -> Floats:
    """Return (H, W) Lab distances from the backdrop, as fitted or as it is nearby, whichever is nearer."""
    calm = cv2.GaussianBlur(lab, (0, 0), 0.7)
    apart = np.linalg.norm(calm - backdrop.color, axis=2).astype(np.float32)
    known = (apart < lowest(backdrop)).astype(np.float32)
    sigma = NEARBY * max(lab.shape[:2])
    small = max(1.0, sigma / 6)  # a blurred map needs few pixels
    size = (max(1, round(lab.shape[1] / small)), max(1, round(lab.shape[0] / small)))
    error = cv2.resize((calm - backdrop.color) * known[..., None], size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    error, weight = (cv2.GaussianBlur(values, (0, 0), sigma / small) for values in (error, weight))
    correction = cv2.resize(error / np.maximum(weight, 0.05)[..., None], lab.shape[1::-1])
    nearby = np.linalg.norm(calm - backdrop.color - correction, axis=2)
    return np.asarray(np.minimum(apart, nearby), np.float32)


def lowest(backdrop: Backdrop) -> float:
    """Return the departure in Lab from which a pixel may be object."""
    return LOW[0] + LOW[1] * backdrop.noise


def find_things(departure: Floats, backdrop: Backdrop, shadow: Mask) -> Mask:
    """Return where the picture departs from the backdrop, without soft shadows, dust and haze."""
    low = lowest(backdrop)
    seen = (departure > low) & ~shadow
    count, labels, stats, _ = cv2.connectedComponentsWithStats(seen.view(np.uint8), connectivity=8)
    peak = np.zeros(count, np.float32)
    np.maximum.at(peak, labels.ravel(), departure.ravel())
    kept = (peak > STRONG * low) & (stats[:, cv2.CC_STAT_AREA] >= max(4, SPECK * seen.size))
    kept[0] = False
    return np.asarray(kept[labels])
