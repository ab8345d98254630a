"""A JPEG's segments are walked, never decoded: its size, and whether its scans can fill it."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.contract.errors import ImageCorruptError
from backend.images.decoding.jpeg_header import MAX_SCANS, MAX_SEGMENTS, check_jpeg_scans, jpeg_size
from tests.helpers.picture_files import jpeg_claiming, saved, scene

BASELINE = saved(scene(24, 40), "JPEG")


def comment(body: bytes) -> bytes:
    return b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body


def after_start(data: bytes, inserted: bytes) -> bytes:
    return data[:2] + inserted + data[2:]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 5}, {"exif": b"Exif\0\0II*\0"}])
def test_size_is_height_then_width(options: dict[str, object]) -> None:
    assert jpeg_size(saved(scene(24, 40), "JPEG", **options)) == (24, 40)


def test_a_frame_header_inside_a_comment_is_not_the_size() -> None:
    assert jpeg_size(after_start(BASELINE, comment(b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03"))) == (24, 40)


def test_fill_bytes_and_stray_bytes_between_segments_are_skipped() -> None:
    assert jpeg_size(after_start(BASELINE, b"\xff\xff\xff\x00\x00junk")) == (24, 40)


def test_of_two_frame_headers_the_larger_counts() -> None:
    start = BASELINE.find(b"\xff\xc0")
    frame = bytearray(BASELINE[start : start + 19])
    frame[5:9] = b"\x40\x00\x00\x01"
    assert jpeg_size(BASELINE[:start] + bytes(frame) + BASELINE[start:]) == (0x4000, 40)


@pytest.mark.parametrize("data", [BASELINE[:4], b"\xff\xd8\xff\xe0\x00\x00" + BASELINE[4:], BASELINE[:2] + b"\xff\xd9"])
def test_a_header_that_ends_or_breaks_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageCorruptError):
        jpeg_size(data)


def test_endless_segments_are_given_up_soon() -> None:
    with pytest.raises(ImageCorruptError):
        jpeg_size(after_start(BASELINE, comment(b"") * 5 * MAX_SEGMENTS))


@pytest.mark.parametrize("count", [1, MAX_SEGMENTS - 100])
def test_many_segments_are_still_a_picture(count: int) -> None:
    assert jpeg_size(after_start(BASELINE, comment(b"x") * count)) == (24, 40)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 1}, {"quality": 1, "progressive": True}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_emptiest_real_picture_passes_the_scan_check(options: dict[str, object], mode: str) -> None:
    flat = Image.new(mode, (2000, 1500))
    check_jpeg_scans(saved(flat, "JPEG", optimize=True, **options), 1500, 2000)


def test_data_that_cannot_fill_the_size_are_corrupt() -> None:
    lie = jpeg_claiming(5000, 5000, BASELINE)
    with pytest.raises(ImageCorruptError):
        check_jpeg_scans(lie, 5000, 5000)


def test_a_scan_repeated_without_end_is_corrupt() -> None:
    data = saved(np.full((64, 64), 99, np.uint8), "JPEG", progressive=True)
    last_scan = data[data.rfind(b"\xff\xda") : -2]
    check_jpeg_scans(data[:-2] + last_scan * (MAX_SCANS // 2) + data[-2:], 64, 64)
    with pytest.raises(ImageCorruptError):
        check_jpeg_scans(data[:-2] + last_scan * MAX_SCANS + data[-2:], 64, 64)


def test_scan_markers_behind_the_end_of_the_image_do_not_count() -> None:
    check_jpeg_scans(BASELINE + b"\xff\xda\x00\x02" * 10 * MAX_SCANS, 24, 40)


def test_a_thumbnail_in_the_metadata_does_not_count() -> None:
    thumbnail = saved(scene(9, 9), "JPEG")
    data = after_start(BASELINE, comment(thumbnail) * 2)
    assert Image.open(io.BytesIO(data)).size == (40, 24)
    assert jpeg_size(data) == (24, 40)
    check_jpeg_scans(data, 24, 40)
