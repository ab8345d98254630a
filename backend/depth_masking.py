"""The public façade of tiers 2 and 3: the depth network, and the pure functions that turn its disparity into masks.

The service itself uses the parts: `Engines.depth` for the network, `backend.matte.fuse` for the fusion.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.contract.options import Strategy
from backend.engines.depth_anything import DepthAnything, Precision, load_depth_anything
from backend.images.arrays import Alpha, Disparity, Image, Mask
from backend.matte.fusion.depth_cut import Percentile, depth_mask
from backend.matte.fusion.fusion import FusionConfig, fuse_depth
from backend.matte.fusion.pictures import color_depth

__all__ = ["DepthMasker"]


class DepthMasker:
    """Depth-Anything V2, and masks made of its disparity. It holds no state between calls: threads may share it."""

    def __init__(self, network: DepthAnything) -> None:
        self.network = network

    @classmethod
    def from_checkpoint(
        cls, path: Path | str, size: int = 518, device: str = "auto", precision: Precision = "exact"
    ) -> "DepthMasker":
        """Return a masker with the weights of `path`, a hub `.safetensors` or an original `.pth` (vits, vitb, vitl).

        `size` (px) is the shorter side that the network sees. `device` "auto" takes the best there is; `precision`
        "fast" uses its half type where it has a fast one. Raises InvalidParameterError for a size below 14, and
        ModelUnavailableError when the weights are absent, broken or of another network.
        """
        return cls(load_depth_anything(Path(path), device, precision, size))

    @property
    def device(self) -> str:
        """The device of the network: "cpu", "cuda" or "mps"."""
        return self.network.device

    def predict(self, image: Image) -> Disparity:
        """Return the disparity of `image`, (H, W) float32, ≥ 0, larger is nearer, no unit."""
        return self.network.predict(image)

    def create_depth_mask(
        self,
        image: Image,
        threshold_percentile: Percentile = 30,
        morph_kernel_size: int = 7,
        blur_size: int = 7,
    ) -> Alpha:
        """Return an alpha of what stands nearest: see `backend.matte.fusion.depth_cut.depth_mask`."""
        return depth_mask(self.predict(image), image, threshold_percentile, morph_kernel_size, blur_size)

    def debug_depth_map(self, image: Image) -> NDArray[np.uint8]:
        """Return the disparity of `image` in colours, (H, W, 3) uint8 RGB: yellow is near, dark violet far."""
        return color_depth(self.predict(image))

    def hybrid_mask(
        self,
        image: Image,
        segmentation_mask: Alpha | Mask | NDArray[np.uint8],
        depth_percentile: Percentile = 35,
        strategy: Strategy = "depth_guided",
    ) -> Alpha:
        """Return the segmentation fused with the image's depth, (H, W) float32 in [0, 1].

        `segmentation_mask` is an alpha in [0, 1], a bool mask, or 8 bit from 0 to 255, of the image's size. Raises
        ValueError for one of another size or range, or an unknown strategy.
        """
        alpha = _as_alpha(segmentation_mask)
        config = FusionConfig(depth_percentile=depth_percentile)
        return fuse_depth(alpha, self.predict(image), image, config, strategy).alpha


def _as_alpha(mask: Alpha | Mask | NDArray[np.uint8]) -> Alpha:
    if mask.dtype == np.uint8:
        return mask.astype(np.float32) / np.float32(255)
    return np.asarray(mask, np.float32)
