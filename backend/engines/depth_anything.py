"""Depth-Anything V2: an image in, its disparity out.

The network is transformers' `DepthAnythingForDepthEstimation`, built from the sizes below (Yang et al. 2024,
"Depth Anything V2"), so that nothing but the weights file is needed. transformers and torch are imported only when a
network is made.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.depth_checkpoint import read_tensors, rename
from backend.engines.micro_batch import MicroBatcher
from backend.engines.network_errors import network_errors
from backend.engines.torch_device import choose_device
from backend.engines.torchvision_operators import prepare_torchvision
from backend.images.arrays import Disparity, Image, check_image
from backend.weights.availability import check_size, find_depth_weights

if TYPE_CHECKING:
    import torch

Precision = Literal["exact", "fast"]

PATCH = 14  # pixels a side of one token; both sides of the network's input are multiples of it
MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet, for RGB in [0, 1]
STD = np.array([0.229, 0.224, 0.225], np.float32)
PUBLISHED_SIDE_PX = 518  # shorter side of the network's input as it was trained
MAX_ASPECT = 4  # longer over shorter side of the network's input: a longer panorama is squeezed to bound its tokens


@dataclass(frozen=True)
class NetworkSize:
    """The numbers in which the published sizes differ."""

    name: str
    width: int  # channels of a token
    heads: int
    layers: int
    taps: tuple[int, int, int, int]  # layers whose tokens go to the head, counted from 1
    neck: tuple[int, int, int, int]  # channels of the four maps made from them
    fusion: int  # channels of the maps while they are fused


SIZES = {
    size.width: size
    for size in (
        NetworkSize("vits", 384, 6, 12, (3, 6, 9, 12), (48, 96, 192, 384), 64),
        NetworkSize("vitb", 768, 12, 12, (3, 6, 9, 12), (96, 192, 384, 768), 128),
        NetworkSize("vitl", 1024, 16, 24, (5, 12, 18, 24), (256, 512, 1024, 1024), 256),
    )
}


class DepthAnything:
    """The network with its weights, on one device. It has no state: threads may share it."""

    def __init__(
        self,
        network: "torch.nn.Module",
        size: NetworkSize,
        device: str,
        precision: Precision,
        shorter_side_px: int = PUBLISHED_SIDE_PX,
        memoize: Memoize = compute_always,
        batch_size: int = 1,
    ) -> None:
        self.network = network
        self.size = size
        self.device = device
        self.precision = precision
        self.shorter_side_px = shorter_side_px  # what a picture is resized to for the network
        self._half = _half_type(device) if precision == "fast" else None
        self._memoize = memoize
        self._ask = MicroBatcher(self._run, batch_size)

    def predict(self, image: Image) -> Disparity:
        """Return the disparity of `image`, (H, W) float32 at the image's own size, ≥ 0, larger is nearer, no unit.

        Raises ModelUnavailableError when the weights give numbers that are not finite, OutOfMemoryError when the
        network does not fit into memory.
        """
        import torch
        from torch.nn.functional import interpolate

        check_image(image)
        given = network_input(image, self.shorter_side_px)

        def compute() -> tuple[NDArray[np.float32]]:
            answer = self._ask(given)
            if not np.isfinite(answer).all():
                raise ModelUnavailableError("The depth weights give numbers that are not finite.")
            return (answer,)

        (answer,) = self._memoize("depth", f"{self.device} {self._half}", given, compute)
        disparity = torch.from_numpy(answer).to(self.device)
        height, width = image.shape[:2]
        resized = interpolate(disparity[:, None], (height, width), mode="bilinear", align_corners=True)
        result: Disparity = resized[0, 0].cpu().numpy()
        return result

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with network_errors(f"depth-anything-v2-{self.size.name}"):
            disparity: NDArray[np.float32] = self.forward(torch.from_numpy(batch).to(self.device)).cpu().numpy()
        return disparity

    def forward(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """Return (B, H, W) float32 disparity of normalised (B, 3, H, W) float32 pixels, both sides multiples of 14."""
        import torch

        with torch.inference_mode(), torch.autocast(self.device, dtype=self._half, enabled=self._half is not None):
            disparity: torch.Tensor = self.network(pixels).predicted_depth.float()
        return disparity


def load_depth(name: str, settings: Settings, memoize: Memoize = compute_always) -> DepthAnything:
    """Return the depth network called `name`. Raises ModelUnavailableError for absent or broken weights."""
    network = load_depth_anything(
        find_depth_weights(name, settings.checkpoints_dir),
        settings.device,
        "fast",
        settings.depth_size_px,
        memoize,
        settings.batch_size,
    )
    check_size(name, network.size.name, settings.checkpoints_dir)
    return network


def load_depth_anything(
    path: Path,
    device: str = "auto",
    precision: Precision = "exact",
    shorter_side_px: int = PUBLISHED_SIDE_PX,
    memoize: Memoize = compute_always,
    batch_size: int = 1,
) -> DepthAnything:
    """Return the network with the weights of `path` (hub `.safetensors` or original `.pth`), found by their shapes.

    `device` "auto" is CUDA before MPS before the CPU. `precision="fast"` lets the device calculate in its fast half
    type where it has one (fp16 on CUDA, bf16 on CPUs with bf16 instructions). Raises InvalidParameterError for a
    shorter side below one patch; ModelUnavailableError for an absent or broken file and for any missing, extra or
    misshapen tensor.
    """
    if shorter_side_px < PATCH:
        raise InvalidParameterError(f"The depth size is at least {PATCH} pixels.", limit=PATCH, actual=shorter_side_px)
    state = rename(read_tensors(path))
    size = _size_of(state)
    network = _empty_network(size)
    _check_fit(state, {name: tuple(value.shape) for name, value in network.state_dict().items()})
    network.load_state_dict({name: value.float() for name, value in state.items()}, strict=True, assign=True)
    _resize_positions_as_published(network)
    device = choose_device(device, f"depth-anything-v2-{size.name}").type
    network = network.eval().requires_grad_(False).to(device)
    return DepthAnything(network, size, device, precision, shorter_side_px, memoize, batch_size)


def network_input(image: Image, shorter_side: int) -> NDArray[np.float32]:
    """Return (1, 3, h, w) float32, normalised: the shorter side at least `shorter_side`, both multiples of 14."""
    height, width = image.shape[:2]
    scale = shorter_side / min(height, width)
    rows, columns = (min(_multiple(side * scale, shorter_side), MAX_ASPECT * shorter_side) for side in (height, width))
    rows, columns = (max(side // PATCH * PATCH, PATCH) for side in (rows, columns))
    scaled = cv2.resize(image.astype(np.float32) / 255, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(((scaled - MEAN) / STD).transpose(2, 0, 1)[None], np.float32)


def _multiple(length: float, minimum: int) -> int:
    nearest = round(length / PATCH) * PATCH
    return nearest if nearest >= minimum else int(np.ceil(length / PATCH)) * PATCH


def _size_of(state: "dict[str, torch.Tensor]") -> NetworkSize:
    token = state.get("backbone.embeddings.cls_token")
    if token is None or token.ndim != 3 or token.shape[2] not in SIZES:
        raise ModelUnavailableError("The depth weights are not those of a known Depth-Anything V2 network.")
    return SIZES[token.shape[2]]


def _empty_network(size: NetworkSize) -> "torch.nn.Module":
    """Return the network without memory for its weights: they are assigned, not copied over random ones."""
    prepare_torchvision()  # which transformers imports where it is installed
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        image_size=PUBLISHED_SIDE_PX,
        patch_size=PATCH,
        hidden_size=size.width,
        num_attention_heads=size.heads,
        num_hidden_layers=size.layers,
        out_indices=list(size.taps),
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=PATCH,
        reassemble_hidden_size=size.width,
        neck_hidden_sizes=list(size.neck),
        fusion_hidden_size=size.fusion,
    )
    with torch.device("meta"):
        network: torch.nn.Module = DepthAnythingForDepthEstimation(config)
    return network


def _resize_positions_as_published(network: "torch.nn.Module") -> None:
    """Let the network resize its table of positions as DINOv2 does, with 0.1 token added inside the scale factor.

    transformers leaves the 0.1 out, which moves the disparity by some 1e-3; with it the outputs agree to 1e-5.
    """
    import torch
    from torch.nn.functional import interpolate

    embeddings = cast("Any", network).backbone.embeddings

    def positions(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
        table: torch.Tensor = embeddings.position_embeddings
        side, rows, columns = round((table.shape[1] - 1) ** 0.5), height // PATCH, width // PATCH
        if (rows, columns) == (side, side):
            return table
        grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)  # (1, channels, side, side)
        factors = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = interpolate(grid.float(), scale_factor=factors, mode="bicubic").to(table.dtype)
        grid = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)  # (1, tokens, channels)
        return torch.cat([table[:, :1], grid], dim=1)

    embeddings.interpolate_pos_encoding = positions


def _check_fit(state: "dict[str, torch.Tensor]", expected: dict[str, tuple[int, ...]]) -> None:
    missing = sorted(expected.keys() - state.keys())
    extra = sorted(state.keys() - expected.keys())
    wrong = sorted(name for name in expected.keys() & state.keys() if tuple(state[name].shape) != expected[name])
    if missing or extra or wrong:
        first = (missing or extra or wrong)[0]
        raise ModelUnavailableError(
            f"The depth weights do not fit: {len(missing)} tensors missing, {len(extra)} unexpected, "
            f"{len(wrong)} of the wrong shape, for example {first}.",
            missing=len(missing),
            unexpected=len(extra),
            misshapen=len(wrong),
        )


def _half_type(device: str) -> "torch.dtype | None":
    """Return the half type that is faster than float32 on `device`, or None."""
    import torch

    from tsr.device import cpu_multiplies_bfloat16

    if device == "cuda":
        return torch.float16  # as published; on a CPU it is emulated, four times slower than float32
    return torch.bfloat16 if device == "cpu" and cpu_multiplies_bfloat16() else None
