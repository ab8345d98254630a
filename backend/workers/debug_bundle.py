"""The debug bundle: the result, `report.json`, every intermediate picture in order, and one overview of them all."""

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.contract.confined_folder import ConfinedFolder
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.images.arrays import Image
from backend.images.encode import encode_pixels
from backend.images.resize import rescale

TILE_PX = 360
COLUMNS = 4
PAPER, INK = (250, 250, 248), (40, 40, 44)


def bundle_files(file: File, report: Mapping[str, Any], trace: Trace) -> dict[str, bytes]:
    """Return every file of the bundle by name; the pictures are numbered in the order in which they were made."""
    files = {file.name: file.data, "report.json": json.dumps(report, indent=2).encode()}
    if trace.pictures:
        files["overview.png"] = _png(overview(trace.pictures))
    for number, (name, picture) in enumerate(trace.pictures.items(), start=1):
        files[f"{number:02d}-{name.replace(' ', '-')}.png"] = _png(visible(picture))
    return files


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """Return the files as one zip; stored, for its pictures are compressed already."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def write_folder(files: Mapping[str, bytes], folder: Path, part: str = "") -> None:
    """Write the files into `folder`, or its sub-folder `part`; both are made when they are missing.

    Raises OSError, also where one of the names or `part` is a link that leads elsewhere.
    """
    with ConfinedFolder(folder) as out:
        for name, data in files.items():
            out.write(f"{part}/{name}" if part else name, data)


def visible(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an intermediate as something to look at: (H, W) or (H, W, 3) uint8.

    Masks become black and white, float maps in [0, 1] grey. Raises ValueError for any other kind of array.
    """
    if picture.dtype == np.bool_:
        return picture.astype(np.uint8) * 255
    if np.issubdtype(picture.dtype, np.floating):
        grey: NDArray[np.uint8] = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        return grey
    if picture.dtype != np.uint8:
        raise ValueError(f"no way to show {picture.dtype}")
    return picture


def overview(pictures: Mapping[str, NDArray[Any]]) -> Image:
    """Return one sheet with every intermediate, named, so that a failure is seen at a glance."""
    tiles = [_tile(name, visible(picture)) for name, picture in pictures.items()]
    tiles += [np.full_like(tiles[0], PAPER)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[start : start + COLUMNS], axis=1) for start in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows, axis=0)


def _tile(name: str, picture: NDArray[np.uint8]) -> Image:
    # Nearest when a tiny picture is enlarged: its pixels are what one wants to see.
    small = rescale(picture, min((TILE_PX - 16) / max(picture.shape[:2]), 8.0), cv2.INTER_NEAREST)
    tile = np.full((TILE_PX + 28, TILE_PX, 3), PAPER, np.uint8)
    height, width = small.shape[:2]
    top, left = 28 + (TILE_PX - height) // 2, (TILE_PX - width) // 2
    tile[top : top + height, left : left + width] = small if small.ndim == 3 else small[..., None]
    cv2.putText(tile, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return tile


def _png(picture: NDArray[np.uint8]) -> bytes:
    shown = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return encode_pixels(shown, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 3])
