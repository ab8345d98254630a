"""Views of a scene code: a ring of pinhole cameras looks at the origin and composites the field on white.

Volume rendering as in NeRF (Mildenhall et al. 2020), with one quirk of the published model: a sample's opacity does
not depend on how far the ray runs through the box.
"""

import math

import torch
from torch import Tensor

from tsr.radiance_field import RadianceField

CAMERA_DISTANCE = 1.9  # from the origin, world units
FIELD_OF_VIEW_DEG = 40.0  # vertical
BOX_FRACTION = 0.999  # of the box is marched through, so that no sample falls off its edge
RAYS_PER_CHUNK = 2048  # with 128 samples each, 0.1 GB of points and colours


def camera_rays(azimuth_deg: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the camera's position (3,) and one direction per pixel (height, width, 3), rows from the top.

    Azimuth turns from +x toward +y, elevation is 0, z is up; directions are not normalised.
    """
    azimuth = math.radians(azimuth_deg)
    outward = torch.tensor([math.cos(azimuth), math.sin(azimuth), 0.0])
    right = torch.tensor([-math.sin(azimuth), math.cos(azimuth), 0.0])
    up = torch.tensor([0.0, 0.0, 1.0])
    focal_px = 0.5 * height / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2)
    across = (torch.arange(width) + 0.5 - width / 2) / focal_px
    down = (torch.arange(height) + 0.5 - height / 2) / focal_px
    directions = across[None, :, None] * right - down[:, None, None] * up - outward
    return CAMERA_DISTANCE * outward, directions


def box_crossing(origin: Tensor, directions: Tensor, half_side: float) -> tuple[Tensor, Tensor]:
    """Return where rays (N, 3) from `origin` enter and leave the box ±half_side, in units of their directions.

    A ray that misses has entry ≥ exit; entry is never behind the origin.
    """
    # A ray along a pair of faces never crosses them; so small a step stands for never, without a 0 / 0.
    steps = 1.0 / torch.where(directions == 0, torch.full_like(directions, 1e-20), directions)
    one, other = (-half_side - origin) * steps, (half_side - origin) * steps
    entry = torch.minimum(one, other).amax(dim=1).clamp(min=0.0)
    return entry, torch.maximum(one, other).amin(dim=1)


@torch.no_grad()
def render_views(field: RadianceField, code: Tensor, *, n_views: int, height: int, width: int, samples: int) -> Tensor:
    """Return (n_views, height, width, 3) float32 in [0, 1]: views at azimuth 360°·k/n_views, the first from +x.

    Raises ValueError when there is nothing to see: no view, or no pixel in one.
    """
    if min(n_views, height, width) < 1:
        raise ValueError(f"at least one view of at least one pixel is made, not {n_views} of {height} x {width}")
    views = []
    for k in range(n_views):
        origin, directions = camera_rays(360.0 * k / n_views, height, width)
        rays = torch.split(directions.view(-1, 3).to(code.device), RAYS_PER_CHUNK)
        origin = origin.to(code.device)
        pixels = torch.cat([_march(field, code, origin, part, samples) for part in rays])
        views.append(pixels.view(height, width, 3))
    return torch.stack(views)


def _march(field: RadianceField, code: Tensor, origin: Tensor, directions: Tensor, samples: int) -> Tensor:
    """Return the colours (N, 3) that rays (N, 3) from `origin` bring back."""
    entry, leave = box_crossing(origin, directions, field.radius * BOX_FRACTION)
    hits = leave > entry
    pixels = torch.ones_like(directions)
    entry, leave, directions = entry[hits], leave[hits], directions[hits]
    middles = (torch.arange(samples, device=code.device) + 0.5) / samples
    times = entry[:, None] + (leave - entry)[:, None] * middles  # (hits, samples)
    points = origin + times[..., None] * directions[:, None]  # (hits, samples, 3)
    density, color = field.query(code, points.view(-1, 3))
    alpha = -torch.expm1(-density.view(-1, samples) / samples)
    unhindered = torch.cumprod(1 - alpha, dim=1)  # light left after each sample
    weight = alpha * torch.cat([torch.ones_like(alpha[:, :1]), unhindered[:, :-1]], dim=1)
    seen = (weight[..., None] * color.view(-1, samples, 3)).sum(dim=1)
    pixels[hits] = seen + 1 - weight.sum(dim=1, keepdim=True)
    return pixels
