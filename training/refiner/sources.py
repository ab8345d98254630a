"""What composites are made of: cut-outs, meshes, objects of photos with a mask, and places to put them in.

Every third of each, by the order of the names, is kept apart (`held_out`): composites and photos to measure on.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from backend.images.arrays import Image

_EVERY = 3  # one of so many is held out
_MOST_COVER = 0.9  # a picture more opaque than this is no cut-out


@dataclass(frozen=True)
class CutOut:
    """An object: straight colours (H, W, 3) uint8 and alpha (H, W) float32 in [0, 1]."""

    image: Image
    alpha: NDArray[np.float32]


@dataclass(frozen=True)
class Mesh:
    """Corners (V, 3) float32 in [-0.5, 0.5], faces (F, 3) and their colours (F, 3) uint8."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8]


class Sources:
    """The material under a folder that holds `photos/` and `train/`; see training/README.md for what lies in it."""

    def __init__(self, folder: Path, held_out: bool) -> None:
        self._part = held_out
        photos = folder / "photos"
        self.cut_outs = [one for one in map(_cut_out, self._of(photos / "cutouts")) if one is not None]
        self.scenes = [read_rgb(path) for path in self._of(photos / "scenes")]
        self.photos = self._of(photos / "dev" / "image")
        self._masks = photos / "dev" / "mask"
        self._meshes = np.load(folder / "train" / "meshes_cc0.npz")
        count = len(json.loads((folder / "train" / "meshes_cc0_names.json").read_text()))
        self.mesh_numbers = [number for number in range(count) if self._is_mine(number)]

    def _is_mine(self, index: int) -> bool:
        return (index % _EVERY == 0) == self._part

    def _of(self, folder: Path) -> list[Path]:
        return [path for index, path in enumerate(sorted(folder.iterdir())) if self._is_mine(index)]

    def photo(self, path: Path) -> tuple[Image, NDArray[np.float32]]:
        """Return a photo of `photos` and its hand-made mask, (H, W) float32 in [0, 1]."""
        mask = np.asarray(PillowImage.open(self._masks / f"{path.stem}.png").convert("L"))
        return read_rgb(path), (mask > 127).astype(np.float32)

    def mesh(self, number: int) -> Mesh:
        """Return the mesh `number`, centred, its longest side 1."""
        data = self._meshes
        first, last = data["vertex_offsets"][number : number + 2]
        vertices = data["vertices"][first:last].astype(np.float32) / 65535
        vertices -= (vertices.max(axis=0) + vertices.min(axis=0)) / 2
        first, last = data["face_offsets"][number : number + 2]
        return Mesh(vertices, data["faces"][first:last].astype(np.int64), data["colors"][first:last])


def read_rgb(path: Path) -> Image:
    """Return the picture at `path`, upright, (H, W, 3) uint8."""
    return np.asarray(ImageOps.exif_transpose(PillowImage.open(path)).convert("RGB"))


def _cut_out(path: Path) -> CutOut | None:
    pixels = np.asarray(PillowImage.open(path).convert("RGBA"))
    alpha = pixels[:, :, 3].astype(np.float32) / 255
    if alpha.mean() > _MOST_COVER:
        return None
    rows, columns = np.nonzero(alpha.max(axis=1) > 0)[0], np.nonzero(alpha.max(axis=0) > 0)[0]
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return CutOut(pixels[box][:, :, :3], alpha[box])


def resized(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return `values` at `size` (height, width): by area when it shrinks, else linear."""
    shrinks = size[0] < values.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(values, (size[1], size[0]), interpolation=how).astype(np.float32)
