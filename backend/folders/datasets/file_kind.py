"""A file's first bytes -> what it really is, against what its name says."""

import codecs
from pathlib import PurePath

DECODED = ("jpeg", "mpo", "png", "webp")  # what the pipeline takes

# Signatures that stand at the start, longest first where one begins another.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"8BPS", "psd"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jpeg xl"),
    (b"\xff\x0a", "jpeg xl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg 2000"),
    (b"\xff\x4f\xff\x51", "jpeg 2000"),
    (b"\x00\x00\x01\x00", "ico"),
    (b"qoif", "qoi"),
    (b"v/1\x01", "openexr"),
    (b"#?RADIANCE", "radiance hdr"),
    (b"%PDF", "pdf"),
    (b"%!PS", "postscript"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x00\x05\x16\x07", "macOS metadata"),  # AppleDouble: `._name.jpg` beside `name.jpg`
    (b"<svg", "svg"),
    (b"<!DOCTYPE html", "html"),
    (b"<!doctype html", "html"),
    (b"<html", "html"),
)
_BRANDS = {
    b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"heim": "heic",
    b"heis": "heic", b"mif1": "heic", b"msf1": "heic", b"crx ": "camera raw",
}  # fmt: skip
_BY_SUFFIX = {
    ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg", ".mpo": "mpo", ".png": "png", ".apng": "png",
    ".webp": "webp", ".gif": "gif", ".bmp": "bmp", ".dib": "bmp", ".tif": "tiff", ".tiff": "tiff", ".heic": "heic",
    ".heif": "heic", ".hif": "heic", ".avif": "avif", ".jxl": "jpeg xl", ".jp2": "jpeg 2000", ".j2k": "jpeg 2000",
    ".psd": "psd", ".ico": "ico", ".qoi": "qoi", ".exr": "openexr", ".hdr": "radiance hdr", ".svg": "svg",
    ".dng": "tiff", ".nef": "tiff", ".arw": "tiff", ".cr2": "tiff", ".cr3": "camera raw",
}  # fmt: skip
PICTURES = frozenset(_BY_SUFFIX.values()) - {"svg"}  # an SVG has no pixels


def kind_of(head: bytes) -> str:
    """Return what begins with `head` (64 bytes are enough), "empty" or "unknown"; an MPO begins as the JPEG it is."""
    if not head:
        return "empty"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video")
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), _text_or_unknown(head))


def _text_or_unknown(head: bytes) -> str:
    if head.lstrip().startswith((b"<?xml", b"<svg")) and b"<svg" in head:
        return "svg"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # a letter may be cut in two at the end
    except UnicodeDecodeError:
        return "unknown"
    return "text" if all(letter >= " " or letter in "\t\n\r\f" for letter in text) else "unknown"


def kind_by_name(name: str) -> str | None:
    """Return the kind of picture that the ending of `name` promises, None where it promises none."""
    return _BY_SUFFIX.get(PurePath(name).suffix.lower())


def name_fits(name: str, kind: str) -> bool:
    """Tell whether `name` promises what the bytes are; a camera's MPO may be called .jpg, a plain JPEG .mpo too."""
    alike = {"mpo": "jpeg"}
    promised = kind_by_name(name)
    return alike.get(kind, kind) == (promised and alike.get(promised, promised))
