"""The header says type and size; nothing is decoded to find out."""

import pytest

from backend.contract.errors import EmptyFileError, ImageCorruptError, TooManyPixelsError, UnsupportedImageTypeError
from backend.images.decoding.image_header import ImageLimits, read_header
from tests.helpers.picture_files import PNG_SIGNATURE, header_chunk, jpeg_claiming, saved, scene, webp_claim

LIMITS = ImageLimits()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_header_gives_format_and_size(kind: str) -> None:
    header = read_header(saved(scene(24, 40), kind), LIMITS)
    assert (header.format, header.height, header.width) == (kind.lower(), 24, 40)


@pytest.mark.parametrize("kind", ["VP8 ", "VP8L", "VP8X"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 7), (7, 300), (3000, 4001)])
def test_every_kind_of_webp_tells_its_size(kind: str, width: int, height: int) -> None:
    header = read_header(webp_claim(kind, width, height), LIMITS)
    assert (header.width, header.height) == (width, height)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"II*\0"}])
def test_webp_headers_agree_with_an_encoder(options: dict[str, object]) -> None:
    header = read_header(saved(scene(31, 57), "WEBP", **options), LIMITS)
    assert (header.height, header.width) == (31, 57)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a" + b"\0" * 40, "a GIF"),
        (b"\0\0\0\x1cftypavif" + b"\0" * 40, "an AVIF"),
        (b"\0\0\0\x1cftypheic" + b"\0" * 40, "a HEIC"),
        (b"II*\0" + b"\0" * 60, "a TIFF"),
        (b"<?xml version='1.0'?>\n<svg xmlns=''/>", "an SVG"),
    ],
)
def test_another_format_is_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImageTypeError, match=f"This is {name} picture; save it as"):
        read_header(data, LIMITS)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(EmptyFileError):
        read_header(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\xff\xd8",
        b"GIF89a" + b"\0" * 40,
        b"BM" + b"\0" * 60,
        b"II*\0" + b"\0" * 60,
        b"MM\0*" + b"\0" * 60,
        b"\xff\x0a" + b"\0" * 60,  # a JPEG XL code stream
        b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 40,
        b"\0\0\0\x1cftypavif" + b"\0" * 40,
        b"\0\0\0\x1cftypheic" + b"\0" * 40,
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"RIFF\x24\0\0\0WEB",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        PNG_SIGNATURE[1:] + b"\0" * 40,
        b" " + saved(scene(), "PNG"),
    ],
)
def test_anything_else_is_unsupported_by_its_first_bytes(data: bytes) -> None:
    with pytest.raises(UnsupportedImageTypeError):
        read_header(data, LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        PNG_SIGNATURE,
        PNG_SIGNATURE + header_chunk(8, 8, 8, 2)[:-1],
        PNG_SIGNATURE + header_chunk(0, 8, 8, 2),
        PNG_SIGNATURE + header_chunk(8, 0, 8, 2),
        PNG_SIGNATURE + b"\0\0\0\x04gAMA\0\0\0\0\0\0\0\0" + header_chunk(8, 8, 8, 2),
        webp_claim("VP8 ", 0, 8),
        webp_claim("VP8L", 8, 8)[:20],
        webp_claim("VP8X", 8, 8)[:29],
        webp_claim("VP8X", 8, 8).replace(b"VP8X", b"JUNK"),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        jpeg_claiming(0, 8, saved(scene(), "JPEG")),
        jpeg_claiming(8, 0, saved(scene(), "JPEG")),
    ],
)
def test_a_header_without_a_size_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorruptError):
        read_header(data, LIMITS)


@pytest.mark.parametrize(
    ("data", "limit", "actual"),
    [
        (PNG_SIGNATURE + header_chunk(16385, 1, 8, 2), 16384, 16385),
        (PNG_SIGNATURE + header_chunk(1, 16385, 8, 2), 16384, 16385),
        (PNG_SIGNATURE + header_chunk(2**31 - 1, 1, 8, 2), 16384, 2**31 - 1),
        (PNG_SIGNATURE + header_chunk(7143, 7001, 8, 2), 50_000_000, 50_008_143),
        (webp_claim("VP8L", 16383, 16383), 50_000_000, 16383 * 16383),
        (webp_claim("VP8X", 2**24, 1), 16384, 2**24),
        (webp_claim("VP8 ", 9000, 9000), 50_000_000, 81_000_000),
        (jpeg_claiming(65500, 65500, saved(scene(), "JPEG")), 16384, 65500),
        (jpeg_claiming(9000, 9000, saved(scene(), "JPEG", progressive=True)), 50_000_000, 81_000_000),
    ],
)
def test_too_large_a_claim_is_refused_with_its_numbers(data: bytes, limit: int, actual: int) -> None:
    with pytest.raises(TooManyPixelsError) as refusal:
        read_header(data, LIMITS)
    assert refusal.value.numbers == {"limit": limit, "actual": actual}


def test_the_limits_themselves_are_allowed() -> None:
    read_header(PNG_SIGNATURE + header_chunk(10_000, 5_000, 8, 2), LIMITS)
    read_header(PNG_SIGNATURE + header_chunk(16_384, 1, 8, 2), LIMITS)
    read_header(PNG_SIGNATURE + header_chunk(6, 4, 8, 2), ImageLimits(max_pixels=24, max_side_px=6))
    with pytest.raises(TooManyPixelsError):
        read_header(PNG_SIGNATURE + header_chunk(5, 5, 8, 2), ImageLimits(max_pixels=24, max_side_px=6))
