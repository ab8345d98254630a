"""A scene whose lattice is memoized: a new isovalue or file format samples only the points not sampled before."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from backend.cache.memoize import Memoize
from tsr.radiance_field import Lattice, SceneField


@dataclass(frozen=True)
class MemoizedScene:
    """A scene on the CPU whose lattice samples go through `memoize`."""

    scene: SceneField
    memoize: Memoize

    @property
    def radius(self) -> float:
        return self.scene.radius

    @property
    def device(self) -> torch.device:
        return self.scene.device

    def density(self, points: torch.Tensor) -> torch.Tensor:
        return self.scene.density(points)

    def color(self, points: torch.Tensor) -> torch.Tensor:
        return self.scene.color(points)

    def lattice(self, resolution: int) -> "MemoizedLattice":
        return MemoizedLattice(self.scene, resolution, self.memoize)


class MemoizedLattice:
    """The density of one scene on a regular lattice, whose tables are made when something new is to be sampled.

    The extraction first samples a coarse lattice whole, whatever the isovalue: the stage "lattice". All that it
    samples afterwards lies near one surface: the stage "surface".
    """

    def __init__(self, scene: SceneField, resolution: int, memoize: Memoize) -> None:
        self._scene, self._resolution, self._memoize = scene, resolution, memoize
        self._stage = "lattice"

    def density(self, indices: torch.Tensor) -> torch.Tensor:
        """Return density (N,), float32 ≥ 0, at lattice `indices` (N, 3) int64."""

        def compute() -> tuple[NDArray[np.float32]]:
            return (self._lattice.density(indices).numpy(),)

        stage, self._stage = self._stage, "surface"
        (density,) = self._memoize(stage, self._detail, indices.numpy(), compute)
        return torch.from_numpy(density)

    @cached_property
    def _lattice(self) -> Lattice:
        return self._scene.lattice(self._resolution)

    @cached_property
    def _detail(self) -> str:
        code = hashlib.sha256(self._scene.code.contiguous().numpy().data).hexdigest()
        return f"{self._resolution} {code}"
