"""What a file is, against what it is called."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.folders.datasets.file_kind import kind_by_name, kind_of, name_fits


@pytest.mark.parametrize(
    ("written_as", "kind"),
    [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tiff"),
     ("ICO", "ico"), ("JPEG2000", "jpeg 2000"), ("PDF", "pdf"), ("EPS", "postscript"), ("AVIF", "avif")],
)  # fmt: skip
def test_the_bytes_tell_what_a_file_is(written_as: str, kind: str) -> None:
    target = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(target, written_as)
    assert kind_of(target.getvalue()[:64]) == kind


def test_what_is_no_picture_is_told_apart() -> None:
    assert kind_of(b"") == "empty"
    assert kind_of(b"\x00\x05\x16\x07" + bytes(60)) == "macOS metadata"
    assert kind_of("Grüße, 世界\n".encode()) == "text"
    assert kind_of("Grüße".encode()[:3]) == "text" and kind_of(b"\xff\xd8") == "unknown"
    assert kind_of(bytes(range(64))) == "unknown"
    assert kind_of(b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">') == "svg"
    assert kind_of(b"\x00\x00\x00\x18ftypisom") == "video"


def test_a_name_fits_whatever_its_case_and_an_mpo_may_be_called_jpg() -> None:
    assert name_fits("a/B.JPeG", "jpeg") and name_fits("b.JPG", "mpo") and name_fits("b.mpo", "jpeg")
    assert not name_fits("b.png", "jpeg") and not name_fits("b", "jpeg") and not name_fits("b.jpg.txt", "jpeg")
    assert kind_by_name(".jpg") is None
