"""Densities of solids whose shape is known: density = isovalue · exp(steepness · depth below the surface)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

ISOVALUE = 25.0
Depth = Callable[[torch.Tensor], torch.Tensor]  # (N, 3) points -> (N,) distance below the surface, negative outside


@dataclass
class AnalyticField:
    """A field that counts how often it was asked."""

    depth: Depth
    steepness: float = 60.0  # 1 / world unit: about that of a trained field
    radius: float = 0.87
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    asked: int = 0

    def density(self, points: torch.Tensor) -> torch.Tensor:
        self.asked += len(points)
        return ISOVALUE * torch.exp((self.steepness * self.depth(points)).clamp(-80, 80))

    def lattice(self, resolution: int) -> "_OnLattice":
        return _OnLattice(self, torch.linspace(-self.radius, self.radius, resolution))


@dataclass
class _OnLattice:
    field: AnalyticField
    side: torch.Tensor

    def density(self, indices: torch.Tensor) -> torch.Tensor:
        return self.field.density(self.side[indices])


def ball(radius: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Depth:
    return lambda points: radius - (points - torch.tensor(center)).norm(dim=1)


def torus(ring: float, tube: float) -> Depth:
    return lambda points: tube - torch.hypot(points[:, :2].norm(dim=1) - ring, points[:, 2])


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Depth:
    return lambda points: torch.minimum(points - torch.tensor(low), torch.tensor(high) - points).min(dim=1).values


def wire(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Depth:
    def depth(points: torch.Tensor) -> torch.Tensor:
        origin, along = torch.tensor(start), torch.tensor(end) - torch.tensor(start)
        part = ((points - origin) @ along / (along @ along)).clamp(0, 1)
        return radius - (points - origin - part[:, None] * along).norm(dim=1)

    return depth


def union(*depths: Depth) -> Depth:
    return lambda points: torch.stack([depth(points) for depth in depths]).max(dim=0).values


def without(depth: Depth, hole: Depth) -> Depth:
    return lambda points: torch.minimum(depth(points), -hole(points))


# The long arm along +x, a shorter one up +z, a stub along -y: no turn or mirror image of it is itself.
BRACKET = union(
    box((-0.1, -0.1, -0.1), (0.6, 0.1, 0.1)),
    box((-0.1, -0.1, -0.1), (0.1, 0.1, 0.4)),
    box((-0.1, -0.25, -0.1), (0.1, 0.1, 0.1)),
)
