"""Tier 1 in one call, as a library: an image in, its clean alpha out."""

from dataclasses import replace

from backend.contract.trace import Trace
from backend.images.arrays import Alpha, Image, Saliency
from backend.matte.refine.foreground import foreground_colors
from backend.matte.refine.refine_matte import CLASSIC, PRESETS, Matte, MatteConfig, refine_matte

__all__ = [
    "CLASSIC",
    "PRESETS",
    "Matte",
    "MatteConfig",
    "enhanced_background_removal",
    "foreground_colors",
    "refine_matte",
]


def enhanced_background_removal(
    image: Image,
    use_grabcut: bool = True,
    remove_small_components: bool = True,
    kernel_size: int = 5,
    blur_size: int = 5,
    *,
    saliency: Saliency | None = None,
) -> Alpha:
    """Return the (H, W) float32 alpha of the object in `image`: tier 1 in one call, in its classic `balanced` form.

    `kernel_size` is the morphology's, in pixels of a picture 1,024 px long; `blur_size` is the width over which the
    edge is fitted to the image, in working pixels; 0 turns either off. Without a `saliency` the embedded segmenter
    makes the first guess. Raises ValueError for a negative size.
    """
    if blur_size < 0:
        raise ValueError(f"blur_size is at least 0, not {blur_size}")
    if saliency is None:
        from backend.engines.border.border import BorderSegmenter

        saliency = BorderSegmenter().predict(image).saliency
    base = CLASSIC["balanced"]
    config = replace(
        base,
        grabcut=base.grabcut if use_grabcut else None,
        components=base.components if remove_small_components else None,
        morphology=replace(base.morphology, kernel_size=kernel_size),
        edges=replace(base.edges, radius_px=blur_size // 2),
    )
    return refine_matte(image, saliency, config, Trace()).alpha
