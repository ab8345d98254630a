"""An EXIF block -> which of the fields that matter for data sets and for 3D it has."""

from PIL import Image

# Field -> (directory, tag), CIPA DC-008; 0 is the block's first directory.
_CAMERA, _GPS = 0x8769, 0x8825
FIELDS: dict[str, tuple[int, int]] = {
    "Make": (0, 0x010F),
    "Model": (0, 0x0110),
    "Orientation": (0, 0x0112),
    "DateTimeOriginal": (_CAMERA, 0x9003),
    "ExposureTime": (_CAMERA, 0x829A),
    "FNumber": (_CAMERA, 0x829D),
    "ISO": (_CAMERA, 0x8827),
    "FocalLength": (_CAMERA, 0x920A),
    "FocalLengthIn35mmFilm": (_CAMERA, 0xA405),
    "LensModel": (_CAMERA, 0xA434),
    "ColorSpace": (_CAMERA, 0xA001),
}
POSITION = (_GPS, 0x0002)  # GPSLatitude: where the photo was taken


def read_fields(block: bytes) -> tuple[tuple[str, ...], bool] | None:
    """Return the names from `FIELDS` that the TIFF `block` has, and whether it has the GPS position.

    None where there is no block, or none that can be read.
    """
    if not block:
        return None
    try:
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + block)
        directories = {0: dict(exif), _CAMERA: exif.get_ifd(_CAMERA), _GPS: exif.get_ifd(_GPS)}
    except Exception:  # a parser fed with a stranger's bytes may raise anything
        return None

    def has(field: tuple[int, int]) -> bool:
        return directories[field[0]].get(field[1]) not in (None, "", b"")

    return tuple(name for name, field in FIELDS.items() if has(field)), has(POSITION)
