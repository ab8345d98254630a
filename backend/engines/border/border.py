"""Embedded segmenter, without a network: models the colours of the picture's border; what differs is the object."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.cache.memoize import Arrays, Memoize, compute_always
from backend.engines.border.border_colors import read_border
from backend.engines.border.border_connectivity import measure_connectivity
from backend.engines.border.border_cut import cut_object
from backend.engines.border.ground import estimate_ground, sharpen_guess
from backend.engines.border.letterbox import find_content_box
from backend.engines.border.soft_shadows import find_soft_shadows
from backend.engines.border.superpixel_saliency import solve_saliency
from backend.engines.border.superpixels import split_superpixels
from backend.engines.first_guess import FirstGuess
from backend.images.arrays import Image, Mask, Saliency, check_image
from backend.images.guided_filter import guided_upsample
from backend.images.resize import fit_longest_side


@dataclass(frozen=True)
class BorderConfig:
    """Sizes at which the work is done, and when the result is doubted."""

    working_px: int = 320  # longer side of the working copy: thin legs survive, and a picture takes about 0.3 s
    superpixels: int = 500  # patches of the working copy; their all-pairs distances cost the square of this
    min_side_px: int = 16  # of the working copy: a narrower picture is border alone
    decided: float = 0.6  # separation below which the mask is reported as doubtful
    busy: float = 9.0  # unrest of the border in Lab above which it counts as cluttered; carpets and wood have 3 to 6


class BorderSegmenter:
    """Finds what differs from the picture's border and is not connected to it. Stateless: threads may share it."""

    name = "border"
    one_scale = "the embedded segmenter `border` needs the whole picture's border"

    def __init__(self, config: BorderConfig | None = None, memoize: Memoize = compute_always) -> None:
        self._config, self._memoize = config or BorderConfig(), memoize

    def predict(self, image: Image) -> FirstGuess:
        """Return the saliency of `image`, the same for the same pixels.

        Notes say when nothing was found and when the mask is doubtful; facts hold the numbers behind it.
        Raises ValueError unless `image` is (H, W, 3) uint8.
        """
        check_image(image)
        saliency = np.zeros(image.shape[:2], np.float32)
        x0, y0, x1, y1 = find_content_box(image)
        content = image[y0:y1, x0:x1]
        small = np.ascontiguousarray(fit_longest_side(content, self._config.working_px))
        if min(small.shape[:2]) < self._config.min_side_px:
            return FirstGuess(saliency, ("The picture is too small or too narrow to find an object in it.",))
        mask, numbers = self._memoize("segment", repr(self._config), small, lambda: _decide(small, self._config))
        uniform, deviation, modes, unrest, separation = numbers.tolist()
        facts: dict[str, float | int | str | bool] = {
            "background_uniform": bool(uniform),
            "background_deviation": round(deviation, 2),
            "border_modes": int(modes),
            "border_unrest": round(unrest, 2),
            "separation": round(separation, 3),
        }
        if mask.any():
            saliency[y0:y1, x0:x1] = guided_upsample(mask.astype(np.float32), small, content)
        return FirstGuess(saliency, _notes(mask, separation, unrest, self._config), facts)


def _decide(small: Image, config: BorderConfig) -> Arrays:
    """Return the object's mask, and the five numbers of the report."""
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    border = read_border(lab)
    patches = split_superpixels(lab, config.superpixels)
    link = measure_connectivity(patches)
    soft = solve_saliency(patches, link)[patches.labels].astype(np.float32)
    mask = _outline(small, lab, soft, link.unrest)
    separation = measure_separation(soft, mask)
    return mask, np.array((border.uniform, border.deviation, border.modes, link.unrest, separation), np.float64)


def _outline(small: Image, lab: NDArray[np.float32], soft: Saliency, unrest: float) -> Mask:
    ground = estimate_ground(lab, soft)
    if ground is None:
        return np.zeros(soft.shape, dtype=np.bool_)
    shadow = find_soft_shadows(lab, soft, ground, unrest)
    return cut_object(small, sharpen_guess(soft, ground, shadow, unrest), shadow)


def measure_separation(soft: Saliency, mask: Mask) -> float:
    """Return the mean saliency inside the outline less that outside, in [0, 1]; 0 for an empty mask."""
    if not mask.any() or mask.all():
        return 0.0
    return float(max(0.0, soft[mask].mean() - soft[~mask].mean()))


def _notes(mask: Mask, separation: float, unrest: float, config: BorderConfig) -> tuple[str, ...]:
    if not mask.any():
        return ("Nothing in the picture stands out clearly from its border, so the mask is empty.",)
    if separation < config.decided:
        return ("The object hardly stands out from its background for the border segmenter: do not trust this mask.",)
    if unrest > config.busy:
        return ("The background is too cluttered for the border segmenter: check this mask.",)
    return ()
