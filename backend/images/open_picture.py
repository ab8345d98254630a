"""The front door for pictures: bytes, a path, an array or a Picture in, a Picture within the limits out."""

from pathlib import Path

import numpy as np

from backend.contract.errors import InvalidParameterError, UploadTooLargeError
from backend.contract.settings import Settings
from backend.images.arrays import Image, check_image
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import Picture, read_picture

Source = bytes | str | Path | Image | Picture


def open_picture(source: Source, settings: Settings, *, as_data: bool = False) -> Picture:
    """Return `source` as a Picture; `as_data`: its values as stored, for a mask.

    Raises the caller's errors of `read_picture`, UploadTooLargeError, InvalidParameterError for a path that cannot be
    read, and ValueError for an array that is not an image.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        check_image(source)
        return Picture(source, None, "png", (source.shape[0], source.shape[1]))
    data = read_within(source, settings.max_upload_bytes)
    return read_picture(data, ImageLimits(settings.max_pixels, settings.max_side_px), as_data=as_data)


def read_within(source: bytes | str | Path, limit: int) -> bytes:
    """Return the bytes of `source`, a path or the bytes themselves.

    Raises UploadTooLargeError beyond `limit`, InvalidParameterError for a path that cannot be read.
    """
    data = source if isinstance(source, bytes) else _read(Path(source), limit)
    if len(data) > limit:
        raise UploadTooLargeError("The file is too large; send a smaller one.", limit=limit, actual=len(data))
    return data


def _read(path: Path, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes of the file; a device file may never end."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise InvalidParameterError(f"{path} cannot be read: {error.strerror}.", parameter="source") from error
