"""A photo, its mask and clicks in, the mask with the part under each click added or removed out.

Removing a part is adding it to the background. Parts are found on a working copy of bounded size, small ones on a
closer copy; only the edge of the change is worked on at full size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from backend.contract.marks import Click
from backend.images.arrays import Alpha, Box, Image, Mask, check_image, check_same_size
from backend.images.geometry import dilate, disc
from backend.images.view import View, make_view
from backend.matte.editing.click_region import ClickRegionConfig, Place, region_under_click
from backend.matte.editing.redraw import redraw_region

SENTENCES = {
    "already": "nothing to do, the mask is already like that there.",
    "unclear": "no part with edges of its own was found there; use the brush.",
    "outside": "it lies outside the picture.",
}


@dataclass(frozen=True)
class ClicksConfig:
    side_px: int = 512  # longer side of the working copy
    small_px: int = 32  # a part smaller than this on the working copy is searched again on a closer copy
    max_added: float = 1.5  # largest region one click may add, as a share of the object
    max_removed: float = 0.7  # largest region one click may remove, as a share of the object
    always_allowed: float = 0.05  # share of the picture that one click may change whatever the object's size
    beyond_px: int = 8  # working pixels around a part in which the mask may change
    region: ClickRegionConfig = field(default_factory=ClickRegionConfig)  # how the part under a click is found


@dataclass(frozen=True)
class Clicked:
    """The new alpha and the outcome of each click."""

    alpha: Alpha
    outcomes: list[str]  # for each click: "added", "removed", "already", "unclear" or "outside"
    notes: list[str]  # a sentence for each click without effect


def click_parts(image: Image, alpha: Alpha, clicks: Sequence[Click]) -> Clicked:
    """Return `alpha` after `clicks`, in order; a later click does not undo an earlier one of the other mode.

    Away from the parts that changed every value stays bit-equal. Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_same_size(image, alpha)
    config = ClicksConfig()
    outcomes: list[str] = []
    for number, click in enumerate(clicks):
        against = [other for other in clicks[: number + 1] if other.mode != click.mode]
        alpha, outcome = _one_click(image, alpha, click, against, config)
        outcomes.append(outcome)
    notes = [
        f"Click {number}: {SENTENCES[outcome]}"
        for number, outcome in enumerate(outcomes, start=1)
        if outcome in SENTENCES
    ]
    return Clicked(alpha, outcomes, notes)


def _one_click(
    image: Image, alpha: Alpha, click: Click, against: Sequence[Click], config: ClicksConfig
) -> tuple[Alpha, str]:
    height, width = alpha.shape
    row, column = int(np.floor(click.y)), int(np.floor(click.x))
    if not (0 <= row < height and 0 <= column < width):
        return alpha, "outside"
    keep = click.mode == "keep"
    if (alpha[row, column] >= 0.5) == keep:
        return alpha, "already"
    box: Box = (0, 0, width, height)
    while True:
        view = make_view(image, alpha, box, config.side_px)
        taken = (view.saliency >= 0.5) == keep
        place = _on_view((row, column), view)
        barred = [_on_view((int(other.y), int(other.x)), view) for other in against if _inside(other, box)]
        taken[place] = False
        most = (config.max_added if keep else config.max_removed) * np.count_nonzero(view.saliency >= 0.5)
        max_px = int(max(most, config.always_allowed * taken.size))
        part = region_under_click(view.image, taken, place, barred, max_px, config.region)
        closer = _closer_box(part, (row, column), view, config)
        if closer is None or closer == box:
            break
        box = closer
    if not part.any():
        return alpha, "unclear"
    joined = taken | part
    seam = cv2.morphologyEx(joined.view(np.uint8), cv2.MORPH_CLOSE, disc(2), borderValue=0) > 0
    joined |= seam & dilate(part, 3)
    decided = joined if keep else ~joined
    region = dilate(part, config.beyond_px)
    return redraw_region(image, alpha, view, decided, region), "added" if keep else "removed"


def _closer_box(part: Mask, place: Place, view: View, config: ClicksConfig) -> Box | None:
    """Return the box of a closer view, or None when the part is large enough on this one."""
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1 if len(rows) else 0
    if view.scale == 1 or side >= config.small_px:
        return None
    frame = view.box
    reach = max(4 * config.small_px, 3 * side) / view.scale / 2
    row, column = place
    return (
        max(frame[0], int(column - reach)),
        max(frame[1], int(row - reach)),
        min(frame[2], int(column + reach) + 1),
        min(frame[3], int(row + reach) + 1),
    )


def _inside(click: Click, box: Box) -> bool:
    return box[0] <= click.x < box[2] and box[1] <= click.y < box[3]


def _on_view(place: Place, view: View) -> Place:
    x0, y0, x1, y1 = view.box
    height, width = view.size
    row, column = (place[0] - y0) * height // (y1 - y0), (place[1] - x0) * width // (x1 - x0)
    return min(row, height - 1), min(column, width - 1)
