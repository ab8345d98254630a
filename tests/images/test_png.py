"""PNG files that are written strip by strip hold the pixels that other programs read."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.images import png
from backend.images.png import png_pieces


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 53)])
@pytest.mark.parametrize("strip_bytes", [1, 500, 1 << 20])
def test_any_size_and_any_strip_reads_back(
    channels: int, size: tuple[int, int], strip_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "STRIP_BYTES", strip_bytes)
    pixels = np.random.default_rng(1).integers(0, 256, (*size, channels), np.uint8)
    data = b"".join(png_pieces((*size, channels), lambda rows: pixels[rows]))
    read = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(read.reshape(pixels.shape), pixels)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2] == size


def test_rows_are_asked_for_in_order_and_a_strip_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "STRIP_BYTES", 40)
    asked = []

    def rows(part: slice) -> np.ndarray:
        asked.append((part.start, part.stop))
        return np.zeros((9, 10), np.uint8)[part]

    assert b"".join(png_pieces((9, 10, 1), rows)).startswith(b"\x89PNG")
    assert asked == [(0, 4), (4, 8), (8, 12)]


def test_two_channels_are_no_png() -> None:
    with pytest.raises(ValueError, match="not 2"):
        next(png_pieces((1, 1, 2), lambda rows: np.zeros((1, 1, 2), np.uint8)))
