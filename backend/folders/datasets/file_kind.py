"""A file's first bytes -> what it is, and whether its name fits. The library `filetype` knows most signatures."""

import codecs
from pathlib import PurePath

import filetype

HEAD_BYTES = 512  # of a file, enough for every signature here
DECODED = ("jpeg", "mpo", "png", "webp", "avif", "heic", "tiff", "gif", "bmp")  # what the pipeline takes

# Signatures that `filetype` lacks.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jpeg xl"),
    (b"\xff\x0a", "jpeg xl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg 2000"),
    (b"\xff\x4f\xff\x51", "jpeg 2000"),
    (b"qoif", "qoi"),
    (b"v/1\x01", "openexr"),
    (b"#?RADIANCE", "radiance hdr"),
    (b"\x00\x05\x16\x07", "macOS metadata"),  # AppleDouble: `._name.jpg` beside `name.jpg`
)
# Brands of an ISO file that `filetype` lacks.
_BRANDS = {b"avis": "avif", b"crx ": "camera raw"} | dict.fromkeys((b"heix", b"hevc", b"heim", b"heis"), "heic")
_BY_EXTENSION = {"jpg": "jpeg", "apng": "png", "tif": "tiff", "cr2": "tiff", "ps": "postscript"}  # filetype's -> ours
_BY_SUFFIX = {
    ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg", ".mpo": "mpo", ".png": "png", ".apng": "png",
    ".webp": "webp", ".gif": "gif", ".bmp": "bmp", ".dib": "bmp", ".tif": "tiff", ".tiff": "tiff", ".heic": "heic",
    ".heif": "heic", ".hif": "heic", ".avif": "avif", ".jxl": "jpeg xl", ".jp2": "jpeg 2000", ".j2k": "jpeg 2000",
    ".psd": "psd", ".ico": "ico", ".qoi": "qoi", ".exr": "openexr", ".hdr": "radiance hdr", ".svg": "svg",
    ".dng": "tiff", ".nef": "tiff", ".arw": "tiff", ".cr2": "tiff", ".cr3": "camera raw",
}  # fmt: skip
PICTURES = frozenset(_BY_SUFFIX.values()) - {"svg"}  # an SVG has no pixels


def kind_of(head: bytes) -> str:
    """Return what the file that begins with `head` (`HEAD_BYTES`) is, "empty" or "unknown".

    An MPO begins as the JPEG it is.
    """
    if not head:
        return "empty"
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return _BRANDS[head[8:12]]
    ours = next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)
    if ours is not None:
        return ours
    text = _text_kind(head)
    extension = filetype.guess_extension(head)
    kind = _BY_EXTENSION.get(extension, extension)
    if text and (kind is None or kind in PICTURES):  # a note that begins with "GIF" or "BMW" is not a picture
        return text
    return kind or "unknown"


def _text_kind(head: bytes) -> str | None:
    """Return "html", "svg" or "text" for a beginning in UTF-8, None for other bytes."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # a letter may be cut in two at the end
    except UnicodeDecodeError:
        return None
    if not all(letter >= " " or letter in "\t\n\r\f" for letter in text):
        return None
    beginning = text.lstrip("\ufeff \t\n\r\f").lower()
    if beginning.startswith(("<!doctype html", "<html")):
        return "html"
    return "svg" if beginning.startswith(("<?xml", "<svg")) and "<svg" in beginning else "text"


def kind_by_name(name: str) -> str | None:
    """Return the kind of picture that the ending of `name` promises, None where it promises none."""
    return _BY_SUFFIX.get(PurePath(name).suffix.lower())


def name_fits(name: str, kind: str) -> bool:
    """Whether `name` promises what the bytes are; a camera's MPO may be called .jpg, a plain JPEG .mpo too."""
    alike = {"mpo": "jpeg"}
    promised = kind_by_name(name)
    return alike.get(kind, kind) == (promised and alike.get(promised, promised))
