"""The soft edge by rembg's alpha matting (closed-form matting by pymatting) in place of our own edge stage.

Closed-form matting solves one equation per pixel and takes 78 s for 12 Mpx, so it runs on a copy of bounded size and
its alpha is carried up to full size along the photo's own edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as PillowImage

from backend.images.arrays import Alpha, Image, Mask
from backend.images.guided_filter import guided_upsample
from backend.images.resize import fit_longest_side
from backend.images.view import View


@dataclass(frozen=True)
class RembgMattingConfig:
    """rembg's three numbers at its own defaults, and the bound on what it sees."""

    foreground_threshold: int = 240  # mask level, 0 to 255, above which a pixel may be certain object
    background_threshold: int = 10  # mask level below which a pixel may be certain background
    erode_px: int = 10  # side of the square by which both certain regions are eroded, on the bounded copy
    max_side_px: int = 1024  # longer side of the copy


def rembg_matting(
    image: Image, view: View, mask: Mask, config: RembgMattingConfig
) -> tuple[Alpha, tuple[int, int]] | None:
    """Return the alpha of `image` and the (height, width) that rembg worked at; None without a solution.

    `mask` is the decided object at the size of `view`; outside of the view the alpha is 0.
    """
    from rembg.bg import alpha_matting_cutout  # imports numba, which takes seconds

    x0, y0, x1, y1 = view.box
    part = np.ascontiguousarray(image[y0:y1, x0:x1])
    small = fit_longest_side(part, config.max_side_px)
    shape = small.shape[:2]
    levels = cv2.resize(mask.astype(np.uint8) * np.uint8(255), shape[::-1], interpolation=cv2.INTER_LINEAR)
    try:
        cutout = alpha_matting_cutout(
            PillowImage.fromarray(small),
            PillowImage.fromarray(levels),
            config.foreground_threshold,
            config.background_threshold,
            config.erode_px,
        )
    except ValueError:  # no certain object or background, or the solver does not converge
        return None
    matte = np.asarray(cutout)[..., 3].astype(np.float32) / np.float32(255)
    alpha = np.zeros(image.shape[:2], np.float32)
    alpha[y0:y1, x0:x1] = matte if shape == part.shape[:2] else guided_upsample(matte, small, part)
    return alpha, shape
