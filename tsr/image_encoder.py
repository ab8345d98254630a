"""The image encoder: a picture goes in, one class token and one token per patch come out.

A vision transformer (Dosovitskiy et al. 2021) with norms before its sublayers, as DINO trained it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tsr.attention import SelfAttention
from tsr.config import TripoSRConfig
from tsr.layers import GeluLinear

IMAGE_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's RGB, which the encoder was trained with
IMAGE_STD = (0.229, 0.224, 0.225)


class EncoderBlock(nn.Module):
    """Self-attention and a feed-forward layer, each normalised before and added after."""

    def __init__(self, channels: int, heads: int, mlp_size: int, norm_eps: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.norm1 = nn.LayerNorm(channels, norm_eps)
        self.attention = SelfAttention(channels, heads, channels // heads, bias=True, dtype=dtype)
        self.norm2 = nn.LayerNorm(channels, norm_eps)
        self.expand = GeluLinear(channels, mlp_size, dtype=dtype)
        self.contract = nn.Linear(mlp_size, channels, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens (B, N, C) after this block; they stay float32 whatever the products are computed in."""
        tokens = tokens + self.attention(self.norm1(tokens).to(self.dtype))
        return tokens + self.contract(self.expand(self.norm2(tokens).to(self.dtype)))  # type: ignore[no-any-return]


class ImageEncoder(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1] to tokens (B, 1 + patches, C), float32, the class token first."""

    image_mean: Tensor
    image_std: Tensor
    positions: Tensor

    def __init__(self, config: TripoSRConfig, dtype: torch.dtype) -> None:
        super().__init__()
        vit = config.image_encoder
        self.trained_grid = vit.image_size_px // vit.patch_size_px
        self.grid = config.image_size_px // vit.patch_size_px
        self.class_token = nn.Parameter(torch.empty(1, 1, vit.hidden_size))
        self.trained_positions = nn.Parameter(torch.empty(1, 1 + self.trained_grid**2, vit.hidden_size))
        # A product per patch in float32: it is small, and what it loses every later layer would carry on.
        self.patches = nn.Conv2d(3, vit.hidden_size, vit.patch_size_px, stride=vit.patch_size_px)
        self.blocks = nn.ModuleList(
            EncoderBlock(vit.hidden_size, vit.num_heads, vit.mlp_size, vit.norm_eps, dtype)
            for _ in range(vit.num_layers)
        )
        self.norm = nn.LayerNorm(vit.hidden_size, vit.norm_eps)
        self.register_buffer("image_mean", torch.empty(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.empty(1, 3, 1, 1), persistent=False)
        self.register_buffer("positions", torch.empty(1, 1 + self.grid**2, vit.hidden_size), persistent=False)

    def prepare(self) -> None:
        """Compute what depends on the weights alone; called once, when they have been loaded."""
        self.image_mean.copy_(torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1))
        self.image_std.copy_(torch.tensor(IMAGE_STD).view(1, 3, 1, 1))
        self.positions.copy_(resize_positions(self.trained_positions.cpu(), self.trained_grid, self.grid))

    def forward(self, pictures: Tensor) -> Tensor:
        patches = self.patches((pictures - self.image_mean) / self.image_std)  # (B, C, grid, grid)
        patches = patches.flatten(2).transpose(1, 2)  # (B, grid², C)
        tokens = torch.cat([self.class_token.expand(len(patches), -1, -1), patches], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)  # type: ignore[no-any-return]


def resize_positions(positions: Tensor, trained_grid: int, grid: int) -> Tensor:
    """Return the position embeddings (1, 1 + trained_grid², C) resampled to (1, 1 + grid², C).

    The library the model was trained with added 0.1 to the target size, to be safe from rounding, and let that
    scale set the sampling positions: the published weights know the grid so, and so it stays. On the trained grid
    nothing is resampled.
    """
    if grid == trained_grid:
        return positions
    class_position, patches = positions[:, :1], positions[:, 1:]
    plane = patches.view(1, trained_grid, trained_grid, -1).permute(0, 3, 1, 2)  # (1, C, rows, columns)
    scale = (grid + 0.1) / trained_grid
    plane = F.interpolate(plane, scale_factor=(scale, scale), mode="bicubic", align_corners=False)
    return torch.cat([class_position, plane.flatten(2).transpose(1, 2)], dim=1)
