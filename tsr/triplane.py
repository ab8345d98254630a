"""Triplanes: three square feature maps that together stand for a volume.

Plane 0 lies in XY, plane 1 in XZ, plane 2 in YZ; the first of the two coordinates runs along columns.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tsr.config import TripoSRConfig

PLANE_AXES = ((0, 1), (0, 2), (1, 2))  # per plane: the axis along columns, the axis along rows


class Upsampler(nn.Module):
    """Triplane tokens (B, C, 3·P²) to scene codes (B, 3, plane_channels, 2P, 2P): each token makes a 2×2 block."""

    def __init__(self, config: TripoSRConfig) -> None:
        super().__init__()
        self.plane_size = config.plane_size
        self.blocks = nn.ConvTranspose2d(config.channels, config.plane_channels, kernel_size=2, stride=2)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, channels, _ = tokens.shape
        planes = tokens.view(batch, channels, 3, self.plane_size, self.plane_size).transpose(1, 2)
        planes = self.blocks(planes.flatten(0, 1))  # (B·3, plane_channels, 2P, 2P)
        return planes.unflatten(0, (batch, 3))  # type: ignore[no-any-return]


def sample_planes(planes: Tensor, points: Tensor) -> Tensor:
    """Return the bilinear samples of `planes` (3, C, S, S) at `points` (N, 3), as (3, N, C).

    The points are in units of the box: ±1 are the outer edges of the outermost cells. Outside there is zero.
    """
    grid = torch.stack([points[:, axes] for axes in PLANE_AXES])  # (3, N, 2)
    samples = F.grid_sample(planes, grid.unsqueeze(2), mode="bilinear", padding_mode="zeros", align_corners=False)
    return samples.squeeze(3).transpose(1, 2)  # (3, N, C)
