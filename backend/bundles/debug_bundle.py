"""The debug bundle: every intermediate picture in order, one overview of them, all that the run was given (`inputs/`),
`report.json` and the result, as a zip.

Everything is compressed onto disk as it is made: a run of 50 megapixels would hold a gigabyte of pictures.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.contract.confined_folder import ConfinedFolder
from backend.contract.run_inputs import StoredFile
from backend.contract.spool import SpooledFile, open_spool
from backend.contract.work import File
from backend.images.arrays import Image
from backend.images.encode import encode_rgb_png
from backend.images.png import png_pieces
from backend.images.resize import rescale

TILE_PX = 360
COLUMNS = 4
PAPER, INK = (250, 250, 248), (40, 40, 44)


class Bundle:
    """The bundle of one run, in a file without a name in `folder`, until it is closed. Raises OSError.

    A fault of the disk is kept until `finish` and raised there: it must not cost the run its result.
    """

    def __init__(self, folder: Path) -> None:
        self._file = open_spool(folder)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._tiles: list[Image] = []
        self._fault: OSError | None = None
        self.finished = False

    def add(self, name: str, picture: NDArray[Any]) -> None:
        """Add an intermediate, as `Trace.on_picture` gets it. Raises ValueError for an array that is no picture."""
        if self._fault is not None:
            return
        self._tiles.append(tile(name, picture))
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        entry = zipfile.ZipInfo(f"{len(self._tiles):02d}-{name.replace(' ', '-')}.png")  # stored: it is compressed
        shape = (*picture.shape[:2], channels)
        self._write(entry, lambda out: out.writelines(png_pieces(shape, lambda rows: visible(picture[rows]))))

    def store(self, name: str, data: bytes) -> StoredFile:
        """Add a file that the run was given."""
        return self._store(zipfile.ZipInfo(name), lambda out: out.write(data))

    def store_array(self, name: str, array: NDArray[np.float32]) -> StoredFile:
        """Add an array as .npy."""
        return self._store(name, lambda out: np.lib.format.write_array(out, array, allow_pickle=False))

    def _store(self, entry: str | zipfile.ZipInfo, write: Callable[["_Digesting"], Any]) -> StoredFile:
        digesting = _Digesting()

        def copy(out: IO[bytes]) -> None:
            digesting.out = out
            write(digesting)

        self._write(entry, copy)
        name = entry if isinstance(entry, str) else entry.filename
        return StoredFile(name=name, bytes=digesting.bytes, sha256=digesting.digest.hexdigest())

    def _write(self, entry: str | zipfile.ZipInfo, write: Callable[[IO[bytes]], Any]) -> None:
        """Have `write` fill the entry. A fault of the disk is kept for `finish`, and nothing is written after it."""
        if self._fault is not None:
            return
        try:
            with self._zip.open(entry, "w") as out:
                write(out)
        except OSError as error:
            self._fault = error

    def finish(self, file: File | None, report: Mapping[str, Any]) -> None:
        """Add the rest; there is no result where the run failed. Raises OSError, also one that `add` met."""
        if self._fault is not None:
            raise self._fault
        if self._tiles:
            self._zip.writestr(zipfile.ZipInfo("overview.png"), encode_rgb_png(overview(self._tiles)))
        self._zip.writestr("report.json", json.dumps(report, indent=2))
        if file is not None:
            self._zip.writestr(zipfile.ZipInfo(file.name), file.data)
        self._zip.close()
        self._file.flush()
        self.finished = True

    def as_file(self, name: str) -> SpooledFile:
        """Return the finished bundle as a file called `name`, which stays open when this is closed. Raises OSError."""
        return SpooledFile(name, "application/zip", os.fdopen(os.dup(self._file.fileno()), "rb"))

    def unpack(self, folder: Path, part: str = "") -> None:
        """Write the finished bundle's files into `folder`, or its sub-folder `part`; both are made when missing.

        Raises OSError, also where one of the names or `part` is a link that leads elsewhere.
        """
        with ConfinedFolder(folder) as out, zipfile.ZipFile(self._file) as archive:
            for name in archive.namelist():
                out.write(f"{part}/{name}" if part else name, archive.read(name))

    def close(self) -> None:
        """Give the disk its space back."""
        with suppress(OSError):
            self._zip.close()
        with suppress(OSError):  # a full disk cannot take what is left in the buffer; the file is closed all the same
            self._file.close()


class _Digesting:
    """A stream that is written on, counted and digested on the way."""

    def __init__(self) -> None:
        self.out: IO[bytes] = BytesIO()
        self.bytes, self.digest = 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.bytes += len(data)
        self.digest.update(data)
        return self.out.write(data)


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


def tile(name: str, picture: NDArray[Any]) -> Image:
    """Return an intermediate as one square of the overview, with its name."""
    if picture.dtype == np.bool_:
        picture = picture.view(np.uint8) * np.uint8(255)
    # Nearest when a tiny picture is enlarged: its pixels are what one wants to see.
    small = visible(rescale(picture, min((TILE_PX - 16) / max(picture.shape[:2]), 8.0), cv2.INTER_NEAREST))
    square = np.full((TILE_PX + 28, TILE_PX, 3), PAPER, np.uint8)
    height, width = small.shape[:2]
    top, left = 28 + (TILE_PX - height) // 2, (TILE_PX - width) // 2
    square[top : top + height, left : left + width] = small if small.ndim == 3 else small[..., None]
    cv2.putText(square, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return square


def overview(tiles: Sequence[Image]) -> Image:
    """Return one sheet of all `tiles`, so that a failure is seen at a glance."""
    tiles = [*tiles, *[np.full_like(tiles[0], PAPER)] * (-len(tiles) % COLUMNS)]
    rows = [np.concatenate(tiles[start : start + COLUMNS], axis=1) for start in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows, axis=0)
