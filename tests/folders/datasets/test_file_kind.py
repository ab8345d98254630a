"""The kind of a file by its bytes, against its name."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.folders.datasets.file_kind import HEAD_BYTES, kind_by_name, kind_of, name_fits


@pytest.mark.parametrize(
    ("written_as", "kind"),
    [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tiff"),
     ("ICO", "ico"), ("JPEG2000", "jpeg 2000"), ("PDF", "pdf"), ("EPS", "postscript"), ("AVIF", "avif")],
)  # fmt: skip
def test_the_bytes_tell_what_a_file_is(written_as: str, kind: str) -> None:
    target = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(target, written_as)
    assert kind_of(target.getvalue()[:HEAD_BYTES]) == kind


def test_other_files_are_recognised() -> None:
    assert kind_of(b"") == "empty"
    assert kind_of(b"\x00\x05\x16\x07" + bytes(60)) == "macOS metadata"
    assert kind_of("Grüße, 世界\n".encode()) == "text"
    assert kind_of("Grüße".encode()[:3]) == "text" and kind_of(b"\xff\xd8") == "unknown"
    assert kind_of(bytes(range(64))) == "unknown"
    assert kind_of(b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">') == "svg"
    assert kind_of(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2") == "mp4"
    assert kind_of(b"\n<!DOCTYPE html>\n<title>404</title>") == "html"


@pytest.mark.parametrize("text", ["GIF or PNG?", "BMW 320i.jpg", "8BPS is Photoshop's", "II*"])
def test_a_text_that_begins_like_a_picture_is_a_text(text: str) -> None:
    assert kind_of(text.encode()) == "text"


@pytest.mark.parametrize(
    ("brand", "kind"),
    [(b"heic", "heic"), (b"heix", "heic"), (b"avif", "avif"), (b"avis", "avif"), (b"crx ", "camera raw")],
)
def test_the_brand_of_an_iso_file_names_its_kind(brand: bytes, kind: str) -> None:
    assert kind_of(b"\x00\x00\x00\x18ftyp" + brand + bytes(4) + b"mif1heic") == kind


def test_any_bytes_have_a_kind() -> None:
    rng = np.random.default_rng(0)
    starts = [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xff\xff\xffftyp",
        b"\0\0\0\x20ftypmif1",
        b"PK\x03\x04",
        b"RIFF",
        b"\xff\xd8\xff",
    ]
    for number in range(700):
        head = starts[number % len(starts)] + rng.bytes(int(rng.integers(0, HEAD_BYTES)))
        assert isinstance(kind_of(head), str)


def test_a_name_fits_whatever_its_case_and_an_mpo_may_be_called_jpg() -> None:
    assert name_fits("a/B.JPeG", "jpeg") and name_fits("b.JPG", "mpo") and name_fits("b.mpo", "jpeg")
    assert not name_fits("b.png", "jpeg") and not name_fits("b", "jpeg") and not name_fits("b.jpg.txt", "jpeg")
    assert kind_by_name(".jpg") is None
