"""The formats that a matte or a composed picture is written in: one row each."""

from dataclasses import dataclass
from pathlib import Path

from backend.contract.errors import InvalidParameterError


@dataclass(frozen=True)
class PictureFormat:
    media_type: str
    endings: tuple[str, ...]  # of a file's name, the first is ours
    transparent: bool  # whether a pixel can be clear
    about: str  # what the quality means


PICTURE_FORMATS = {
    "png": PictureFormat("image/png", (".png",), True, "without loss"),
    "webp": PictureFormat("image/webp", (".webp",), True, "without loss at `output_quality=100`"),
    "jpeg": PictureFormat("image/jpeg", (".jpg", ".jpeg"), False, "no transparency: a cutout needs a `background`"),
    "avif": PictureFormat("image/avif", (".avif",), True, "the smallest, and the slowest to write"),
}


def format_of_name(path: Path) -> str:
    """Return the format that the ending of `path` names. Raises InvalidParameterError with the list for another."""
    for name, row in PICTURE_FORMATS.items():
        if path.suffix.lower() in row.endings:
            return name
    endings = ", ".join(ending for row in PICTURE_FORMATS.values() for ending in row.endings)
    raise InvalidParameterError(f"{path.name} has to end in one of {endings}.", parameter="out")
