"""Embedded segmenter, without a network: models the colours of the picture's border; what differs is the object.

A plain backdrop is fitted and taken away to the pixel (`plain_cut`); any other is divided into superpixels that are
more or less connected to the border.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.cache.memoize import Arrays, Memoize, compute_always
from backend.engines.border.border_colors import read_border
from backend.engines.border.border_connectivity import measure_connectivity
from backend.engines.border.border_cut import cut_object
from backend.engines.border.ground import estimate_ground, sharpen_guess
from backend.engines.border.letterbox import find_content_box
from backend.engines.border.plain_cut import PlainCut, cut_plain, read_alpha
from backend.engines.border.soft_shadows import find_soft_shadows
from backend.engines.border.superpixel_saliency import solve_saliency
from backend.engines.border.superpixels import split_superpixels
from backend.engines.first_guess import FirstGuess
from backend.images.arrays import Image, Mask, Saliency, check_image
from backend.images.guided_filter import guided_upsample
from backend.images.pixel_art import is_pixel_art
from backend.images.resize import rescale


@dataclass(frozen=True)
class BorderConfig:
    """Sizes at which the work is done, and when the result is doubted."""

    working_px: int = 320  # longer side of the working copy: thin legs survive, and a picture takes about 0.3 s
    plain_px: int = 1024  # longer side of the copy on which a plain backdrop is taken away: spokes and script survive
    narrow_px: int = 48  # least shorter side of either copy of a long and narrow picture
    superpixels: int = 500  # patches of the working copy; their all-pairs distances cost the square of this
    min_side_px: int = 8  # a narrower picture is border alone
    faint: float = 12.0  # departure in Lab from a plain backdrop that counts as full separation
    decided: float = 0.6  # separation below which the mask is reported as doubtful
    busy: float = 9.0  # unrest of the border in Lab above which it counts as cluttered; carpets and wood have 3 to 6


DOUBT = "The object hardly stands out from its background for the border segmenter: do not trust this mask."
PIXEL = 8  # side of the area that a pixel of a small hard-edged drawing becomes
GLASS = "The backdrop shows through {share:.0%} of the object; if that is glass, it was kept opaque."
CAST = "{share:.0%} of the object may be a cast shadow: it has the backdrop's tint, only darker, and a sharp end."


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
        if min(image.shape[:2]) < self._config.min_side_px:
            reason = f"The picture is too small: it is {min(image.shape[:2])} px on its shorter side."
            return FirstGuess(saliency, (reason,))
        if (exact := self.predict_plain(image)) is not None:
            return exact
        x0, y0, x1, y1 = find_content_box(image)
        content = image[y0:y1, x0:x1]
        small = self._copy(content, self._config.working_px)
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
        return FirstGuess(saliency, _notes(mask, separation, unrest, self._config), facts, by_color=True)

    def predict_plain(self, image: Image) -> FirstGuess | None:
        """Return the exact saliency of what stands on a plain backdrop, None where `image` has no such backdrop."""
        if min(image.shape[:2]) < self._config.min_side_px:
            return None
        if max(image.shape[:2]) <= self._config.plain_px // PIXEL and is_pixel_art(image):
            return self._predict_pixels(image)
        x0, y0, x1, y1 = find_content_box(image)
        content = image[y0:y1, x0:x1]
        plain = self._cut_plain(content)
        if plain is None:
            return None
        saliency = np.zeros(image.shape[:2], np.float32)
        saliency[y0:y1, x0:x1] = read_alpha(plain, content)
        return _on_plain_ground(saliency, plain, self._config)

    def _predict_pixels(self, image: Image) -> FirstGuess | None:
        """Return what is said of the drawing `image` with pixels large enough to be areas: each is object or not."""
        guess = self.predict_plain(np.repeat(np.repeat(image, PIXEL, axis=0), PIXEL, axis=1))
        if guess is None:
            return None
        reduced = cv2.resize(guess.saliency, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        return replace(guess, saliency=np.clip(reduced, 0, 1))

    def _copy(self, image: Image, longest_px: int) -> Image:
        """Return `image` reduced to `longest_px`, or less far where it would become too narrow to show anything."""
        height, width = image.shape[:2]
        scale = max(longest_px / max(height, width), self._config.narrow_px / min(height, width))
        return np.ascontiguousarray(rescale(image, min(1.0, scale)))

    def _cut_plain(self, image: Image) -> PlainCut | None:
        small = self._copy(image, self._config.plain_px)
        parts = self._memoize("segment", f"plain {self._config!r}", small, lambda: _packed(cut_plain(small)))
        mask, front, back, numbers = parts
        return PlainCut(mask > 0, front, back, *numbers.tolist()) if numbers.size else None


def _packed(cut: PlainCut | None) -> Arrays:
    if cut is None:
        return (np.zeros(0),) * 4
    numbers = np.array((cut.departure, cut.glass, cut.shadow_share, cut.noise, cut.share, cut.cast), np.float64)
    return cut.mask.view(np.uint8), cut.front, cut.back, numbers


def _on_plain_ground(saliency: Saliency, cut: PlainCut, config: BorderConfig) -> FirstGuess:
    separation = min(1.0, cut.departure / config.faint)
    facts: dict[str, float | int | str | bool] = {
        "background_uniform": True,
        "background_deviation": round(cut.noise, 2),
        "background_share": round(cut.share, 3),
        "separation": round(separation, 3),
        "shadow_share": round(cut.shadow_share, 3),
        "see_through_share": round(cut.glass, 3),
        "cast_shadow_share": round(cut.cast, 3),
    }
    notes = (DOUBT,) if separation < config.decided else ()
    remarks = (
        *((GLASS.format(share=cut.glass),) if cut.glass else ()),
        *((CAST.format(share=cut.cast),) if cut.cast else ()),
    )
    return FirstGuess(saliency, notes, facts, remarks, exact=True, by_color=True)


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
        return (DOUBT,)
    if unrest > config.busy:
        return ("The background is too cluttered for the border segmenter: check this mask.",)
    return ()
