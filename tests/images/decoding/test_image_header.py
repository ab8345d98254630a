"""The header says type and size; nothing is decoded to find out."""

import pytest

from backend.contract.errors import EmptyFileError, ImageCorruptError, TooManyPixelsError, UnsupportedImageTypeError
from backend.images.decoding.image_header import ImageLimits, read_header
from tests.helpers.picture_claims import bmp_claim, gif_claim, heif, nal, obu, tiff_claim
from tests.helpers.picture_files import PNG_SIGNATURE, header_chunk, jpeg_claiming, saved, scene, webp_claim

LIMITS = ImageLimits()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP"])
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
        (b"8BPS\0\1" + b"\0" * 40, "a PSD"),
        (b"\0\0\0\x1cftypisom" + b"\0" * 40, "a video"),
        (b"\0\0\0\x18ftypcrx " + b"\0" * 40, "a camera's raw"),
        (b"II+\0" + b"\0" * 60, "a BigTIFF"),
        (b"%PDF-1.7", "a PDF"),
        (b"<?xml version='1.0'?>\n<svg xmlns=''/>", "an SVG"),
    ],
)
def test_another_format_is_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImageTypeError, match=f"This is {name} file; save it as JPEG, PNG or WebP"):
        read_header(data, LIMITS)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(EmptyFileError):
        read_header(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\xff\xd8",
        b"GIF" + b"\0" * 40,
        b"BMW 320i.jpg" + b"\0" * 60,
        b"II+\0" + b"\0" * 60,
        b"\xff\x0a" + b"\0" * 60,  # a JPEG XL code stream
        b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 40,
        b"\0\0\0\x1cftypqt  " + b"\0" * 40,
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
        b"GIF89a" + b"\0" * 40,
        b"BM" + b"\0" * 20,
        b"BM" + b"\0" * 60,
        b"II*\0" + b"\0" * 60,
        b"MM\0*" + b"\0" * 60,
        b"\0\0\0\x1cftypavif" + b"\0" * 40,
        b"\0\0\0\x1cftypheic" + b"\0" * 40,
        heif(b"heic"),
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
        (bmp_claim(60_000, 60_000), 16384, 60_000),
        (bmp_claim(9000, -9000), 50_000_000, 81_000_000),
        (gif_claim((65_535, 8), (8, 8)), 16384, 65_535),
        (gif_claim((8, 8), (60_000, 8)), 16384, 60_000),
        (tiff_claim({256: 100_000, 257: 100_000}), 16384, 100_000),
        (tiff_claim({256: 100, 257: 100, 322: 10_000, 323: 10_000}), 50_000_000, 100_000_000),
        (heif(b"heic", ispe=(40_000, 8)), 16384, 40_000),
        (heif(b"heic", ispe=(8, 8), sps=(16_384, 16_384)), 50_000_000, 16_384**2),
        (heif(b"heic", ispe=(8, 8), item=(b"hvc1", nal(16_384, 16_384))), 50_000_000, 16_384**2),
        (heif(b"avif", ispe=(8, 8), item=(b"av01", obu(16_384, 16_384))), 50_000_000, 16_384**2),
        (heif(b"avif", ispe=(8, 8), item=(b"grid", b"\0\0\0\0" + b"\xff\xff" * 2)), 16384, 65_535),
        (heif(b"heic", ispe=(8, 8), item=(b"iovl", b"\0\1" + bytes(8) + b"\0\1\0\0" * 2)), 16384, 65_536),
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


def test_a_claim_of_a_coded_picture_within_the_limits_is_no_fault() -> None:
    header = read_header(heif(b"heic", ispe=(300, 200), sps=(320, 256)), LIMITS)
    assert (header.format, header.width, header.height) == ("heic", 300, 200)


@pytest.mark.parametrize(("brand", "format"), [(b"mif1", "heic"), (b"heix", "heic"), (b"avis", "avif")])
def test_the_brands_tell_an_avif_from_a_heic(brand: bytes, format: str) -> None:
    assert read_header(heif(brand, ispe=(8, 8)), LIMITS).format == format


@pytest.mark.parametrize("entries", [{50706: 1}, {254: 1}])
def test_a_cameras_raw_file_is_not_read_as_the_preview_that_it_begins_with(entries: dict[int, int]) -> None:
    with pytest.raises(UnsupportedImageTypeError, match="raw file"):
        read_header(tiff_claim({256: 160, 257: 120, **entries}), LIMITS)


def test_pages_and_frames_are_counted_to_a_bound() -> None:
    assert read_header(gif_claim((8, 8), (8, 8), frames=3), LIMITS).frames == 3
    assert read_header(gif_claim((8, 8), (8, 8), frames=5000), LIMITS).frames == 1000
    assert read_header(tiff_claim({256: 8, 257: 8}, next_directory=8), LIMITS).frames == 1  # a directory after itself


def test_endless_parts_are_refused() -> None:
    with pytest.raises(ImageCorruptError, match="too many parts"):
        read_header(heif(b"heic", ispe=(8, 8), item=(b"hvc1", b"\0\0\0\1\0" * 100_001)), LIMITS)
