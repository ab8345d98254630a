"""A mask and a wide proposal in, the mask with missing parts added and filled holes opened out.

Whole regions are judged, not pixels. An added part must meet the object where the image has no edge and end where it
has one. An opened hole must have edges all around and the colour of the background beside the object.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, check_image, check_same_size
from backend.images.geometry import EdgeStrength, dilate, disc, erode, outline

SEAM_PX = 4  # widest crack that is closed between the object and an added part


@dataclass(frozen=True)
class PartsConfig:
    opens: bool = True  # whether filled holes are opened at all
    min_share: float = 0.006  # smallest region, as a share of the object's area; smaller ones are noise
    stronger_rim: float = 1.5  # least edge strength of a part's free rim over that of its contact with the object
    weakest_rim: float = 1.25  # least such ratio of the rim's weakest tenth: a shadow's end is sharp in places
    min_edge: float = 0.5  # least edge strength of a rim or a hole's boundary over the object's median
    max_unclosed: float = 0.1  # largest share of a part's boundary at the limit of the search
    min_contact: float = 0.1  # least share of a part's boundary that touches the object
    hole_color: float = 0.33  # largest distance of a hole's colour from the background's over that from the object's
    hole_color_lab: float = 12.0  # largest distance of a hole's colour from the background's in 8-bit Lab
    max_alike: float = 0.25  # largest share of the rest of the object in the holes' colour; more is a line drawing


@dataclass(frozen=True)
class _Scene:
    """The evidence that every region is judged by."""

    lab: NDArray[np.float32]  # (H, W, 3), 8-bit Lab
    strength: EdgeStrength
    mask: Mask
    searched: Mask  # unknown in the wide trimap
    background: Mask  # clear of the object
    typical: float  # the object's median edge strength along its outline


def settle_parts(
    image: Image, mask: Mask, proposal: Mask, searched: Mask, strength: EdgeStrength, band_px: int, config: PartsConfig
) -> tuple[Mask, dict[str, int]]:
    """Return `mask` with the regions of `proposal` added or removed that the image's edges confirm, and the report's
    counts `parts_added` and `holes_opened`.

    `searched` is where the proposal was free to differ; beyond `band_px` from the outline background is certain.
    """
    check_image(image)
    for array in (proposal, searched, strength):
        check_same_size(mask, array)
    if not (mask ^ proposal).any():
        return mask.copy(), {"parts_added": 0, "holes_opened": 0}
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    typical = float(np.median(strength[outline(mask)]))
    scene = _Scene(lab, strength, mask, searched, ~dilate(mask, band_px), typical)
    least = config.min_share * np.count_nonzero(mask)
    missing = [part for part in _regions(proposal & ~mask, least) if _belongs(*part, scene, config)]
    filled = _regions(mask & ~proposal & erode(mask, 2), least) if config.opens else []
    holes = [part for part in filled if _is_open(*part, scene, config)]
    if holes and _is_common(holes, scene, band_px, config):
        holes = []
    settled = mask.copy()
    for window, region in missing:
        settled[window] |= region
        settled[window] |= _seam(settled[window], region)
    for window, region in holes:
        settled[window] &= ~region
    return settled, {"parts_added": len(missing), "holes_opened": len(holes)}


Window = tuple[slice, slice]


def _regions(difference: Mask, min_area: float) -> list[tuple[Window, Mask]]:
    """Return the 4-connected regions, opened by 2 px, as (window with 6 px to spare, region inside the window)."""
    thick = cv2.morphologyEx(difference.view(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(thick, connectivity=4)
    found = []
    for label in np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= max(min_area, 1))[:64]:
        x, y, width, height = stats[label, :4]
        window = (slice(max(y - 6, 0), y + height + 6), slice(max(x - 6, 0), x + width + 6))
        if label:
            found.append((window, labels[window] == label))
    return found


def _seam(mask: Mask, region: Mask) -> Mask:
    """Return the cracks and pinholes between the object and an added part."""
    closed = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, disc(SEAM_PX), borderValue=0) > 0
    return np.asarray(closed & dilate(region, SEAM_PX + 1))


def _belongs(window: Window, region: Mask, scene: _Scene, config: PartsConfig) -> bool:
    line = outline(region)
    contact = line & dilate(scene.mask[window], 2)
    rim = line & ~contact
    if contact.sum() < config.min_contact * line.sum() or not rim.any():
        return False
    unclosed = line & dilate(~scene.searched[window] & ~scene.mask[window], 1)
    if unclosed.sum() > config.max_unclosed * line.sum():
        return False
    edge, seam = (float(np.median(scene.strength[window][where])) for where in (rim, contact))
    if np.percentile(scene.strength[window][rim], 10) <= config.weakest_rim * seam:
        return False
    return edge > config.stronger_rim * seam and edge > config.min_edge * scene.typical


def _is_common(holes: list[tuple[Window, Mask]], scene: _Scene, band_px: int, config: PartsConfig) -> bool:
    """Return whether the rest of the object has the holes' colour too, so that this colour proves nothing."""
    rest = erode(scene.mask, band_px)  # the rim of a mask that is too wide is background
    colors = []
    for window, region in holes:
        rest[window] &= ~region
        colors.append(scene.lab[window][region].mean(axis=0))
    if not rest.any():
        return False
    away = np.linalg.norm(scene.lab[rest] - np.mean(colors, axis=0), axis=1)
    return float((away < config.hole_color_lab).mean()) > config.max_alike


def _is_open(window: Window, region: Mask, scene: _Scene, config: PartsConfig) -> bool:
    if np.median(scene.strength[window][outline(region)]) < config.min_edge * scene.typical:
        return False
    reach = max(region.shape)
    wide = (
        slice(max(window[0].start - reach, 0), window[0].stop + reach),
        slice(max(window[1].start - reach, 0), window[1].stop + reach),
    )
    beside = scene.lab[wide][scene.background[wide]]
    inside = erode(region, 1)
    around = dilate(region, 3) & ~region
    if len(beside) < 50 or not inside.any() or not around.any():
        return False
    color = scene.lab[window][inside].mean(axis=0)
    from_background = float(np.linalg.norm(color - beside.mean(axis=0)))
    from_object = float(np.linalg.norm(color - scene.lab[window][around].mean(axis=0)))
    return from_background < min(config.hole_color * from_object, config.hole_color_lab)
