"""The JPEG encoder."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.images.jpeg import encode_jpeg
from tests.helpers.drawn import toy


def test_a_jpeg_opens_as_the_same_picture_without_metadata() -> None:
    image, _ = toy()
    opened = Image.open(io.BytesIO(encode_jpeg(image, 95)))
    assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (160, 120))
    assert np.abs(np.asarray(opened).astype(int) - image).mean() < 2
    assert not opened.getexif()


def test_a_higher_quality_is_larger_and_nearer() -> None:
    image, _ = toy()
    sizes, errors = [], []
    for quality in (10, 50, 89, 90, 100):
        data = encode_jpeg(image, quality)
        sizes.append(len(data))
        errors.append(np.abs(np.asarray(Image.open(io.BytesIO(data))).astype(int) - image).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_a_quality_that_there_is_not_is_refused(quality: int) -> None:
    with pytest.raises(ValueError, match="quality"):
        encode_jpeg(toy()[0], quality)
