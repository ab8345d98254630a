"""The radiance field: a scene code and points go in, density and colour at those points come out."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tsr.config import TripoSRConfig
from tsr.triplane import sample_planes

DENSITY, COLOR, BOTH = slice(0, 1), slice(1, 4), slice(0, 4)  # rows of the output layer


CPU_POINTS, GPU_POINTS = 8192, 1 << 18  # through the layers at once: a CPU's cache holds few, a GPU wants many


class RadianceField(nn.Module):
    """Samples of the three planes, side by side, through a small perceptron; float32 on every device.

    A `code` is one object's triplane (3, plane_channels, S, S); points are (N, 3) in world units, on any device.
    Only the answer grows with N: at most `max_points` go through the layers at once, None: what suits the device.
    """

    def __init__(self, config: TripoSRConfig) -> None:
        super().__init__()
        self.radius = config.radius
        self.density_bias = config.density_bias
        width = config.field_width
        self.first = nn.Linear(3 * config.plane_channels, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(config.field_layers - 1))
        self.out = nn.Linear(width, 4)

    @torch.no_grad()
    def query(self, code: Tensor, points: Tensor, max_points: int | None = None) -> tuple[Tensor, Tensor]:
        """Return density (N,), ≥ 0, and color (N, 3) in [0, 1] at `points`."""
        logits = self._logits(code, points, BOTH, max_points)
        return self.activate_density(logits[:, 0]), torch.sigmoid(logits[:, COLOR])

    @torch.no_grad()
    def density(self, code: Tensor, points: Tensor, max_points: int | None = None) -> Tensor:
        """Return density (N,), ≥ 0, at `points`."""
        return self.activate_density(self._logits(code, points, DENSITY, max_points)[:, 0])

    @torch.no_grad()
    def color(self, code: Tensor, points: Tensor, max_points: int | None = None) -> Tensor:
        """Return color (N, 3) in [0, 1] at `points`."""
        return torch.sigmoid(self._logits(code, points, COLOR, max_points))

    def activate_density(self, logits: Tensor) -> Tensor:
        """Return density, ≥ 0, of raw outputs of any shape."""
        return torch.exp(logits + self.density_bias)

    def after_first(self, features: Tensor, rows: slice) -> Tensor:
        """Return the asked `rows` of the output (N, rows) for first-layer sums (N, width), which are overwritten."""
        features = F.silu(features, inplace=True)
        for layer in self.hidden:
            features = F.silu(layer(features), inplace=True)
        return F.linear(features, self.out.weight[rows], self.out.bias[rows])

    def _logits(self, code: Tensor, points: Tensor, rows: slice, max_points: int | None) -> Tensor:
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points are (N, 3), not {tuple(points.shape)}")
        points = points.to(code.device, torch.float32) / self.radius
        parts = pieces(points, max_points)
        return torch.cat([self.after_first(self.first(self._features(code, part)), rows) for part in parts])

    def _features(self, code: Tensor, points: Tensor) -> Tensor:
        return sample_planes(code, points).transpose(0, 1).flatten(1)  # (N, 3 · C), plane by plane


def pieces(points: Tensor, max_points: int | None) -> tuple[Tensor, ...]:
    """Return `points` (N, …) in pieces of at most `max_points`; None takes what suits their device."""
    return torch.split(points, max_points or (CPU_POINTS if points.device.type == "cpu" else GPU_POINTS))


MAX_TABLE_ROWS = 512 * 512  # above, three tables would outgrow 200 MB


class Lattice:
    """The density of one code on a regular lattice, several times cheaper than point by point.

    On a lattice each plane is met at resolution² places only, and the first layer is a sum of one matrix per plane:
    so the planes go through it before they are sampled, once, and a point costs three rows added. Bilinear samples
    and matrices commute, so this is `query` up to the rounding of float32. Above 512 points a side the rows are
    interpolated for each point instead, in bounded memory. `max_points` as in the field.
    """

    def __init__(self, field: RadianceField, code: Tensor, resolution: int, max_points: int | None = None) -> None:
        if resolution < 2:
            raise ValueError(f"a lattice has at least 2 points a side, not {resolution}")
        self.field, self.resolution, self._max_points = field, resolution, max_points
        self.coordinates = torch.linspace(-1.0, 1.0, resolution, device=code.device)  # in units of the box
        self._planes = self._through_first_layer(code)
        self._tables = self._make_tables() if resolution**2 <= MAX_TABLE_ROWS else None

    @torch.no_grad()
    def density(self, indices: Tensor) -> Tensor:
        """Return density (N,), float32 ≥ 0, at lattice `indices` (N, 3) int64: x, y, z, each in [0, resolution)."""
        parts = [self._density(part) for part in pieces(indices, self._max_points)]
        return torch.cat(parts) if parts else indices.new_empty(0, dtype=torch.float32)

    def _density(self, indices: Tensor) -> Tensor:
        if self._tables is None:
            sums = sample_planes(self._planes, self.coordinates[indices]).sum(0) + self.field.first.bias
            return self._finish(sums)
        x, y, z = indices.unbind(1)
        xy, xz, yz = self._tables
        sums = xy.index_select(0, x * self.resolution + y)
        sums += xz.index_select(0, x * self.resolution + z)
        sums += yz.index_select(0, y * self.resolution + z)
        return self._finish(sums)

    def _finish(self, sums: Tensor) -> Tensor:
        return self.field.activate_density(self.field.after_first(sums, DENSITY)[:, 0])

    @torch.no_grad()
    def _through_first_layer(self, code: Tensor) -> Tensor:
        weight = self.field.first.weight.view(len(self.field.first.weight), 3, -1)  # (width, plane, C)
        return torch.einsum("wpc,pcrs->pwrs", weight, code)  # (3, width, S, S)

    @torch.no_grad()
    def _make_tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return one table (resolution², width) a plane; row a·resolution + b is its first coordinate a, second b."""
        first, second = torch.meshgrid(self.coordinates, self.coordinates, indexing="ij")
        places = torch.stack([first, second], dim=-1).unsqueeze(0)  # (1, resolution, resolution, 2)
        xy, xz, yz = (
            F.grid_sample(plane.unsqueeze(0), places, align_corners=False).flatten(2)[0].T.contiguous()
            for plane in self._planes
        )
        xy += self.field.first.bias
        return xy, xz, yz


@dataclass(frozen=True)
class SceneField:
    """A radiance field bound to one code: what surface extraction sees."""

    field: RadianceField
    code: Tensor  # (3, plane_channels, S, S)
    max_points: int | None = None  # through the field's layers at once; None: what suits the device

    @property
    def radius(self) -> float:
        """Half the side of the box, world units."""
        return self.field.radius

    @property
    def device(self) -> torch.device:
        """The device on which the field is computed."""
        return self.code.device

    def query(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return density (N,) and color (N, 3) at `points` (N, 3), world units."""
        return self.field.query(self.code, points, self.max_points)

    def density(self, points: Tensor) -> Tensor:
        """Return density (N,) at `points` (N, 3), world units."""
        return self.field.density(self.code, points, self.max_points)

    def color(self, points: Tensor) -> Tensor:
        """Return color (N, 3) at `points` (N, 3), world units."""
        return self.field.color(self.code, points, self.max_points)

    def lattice(self, resolution: int) -> Lattice:
        """Return the density on the lattice linspace(-radius, radius, resolution)³."""
        return Lattice(self.field, self.code, resolution, self.max_points)
