"""A file's structure, read without a decoder: its end, its metadata, its frames."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.folders.datasets.container import read_container
from tests.helpers.picture_files import chunk, exif_block, png, saved, scene

KINDS = ("jpeg", "png", "webp")


def written(kind: str, **options: object) -> bytes:
    return saved(scene(), kind.upper(), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_complete_and_without_fault(kind: str) -> None:
    container = read_container(written(kind), kind)
    assert container.complete and not container.faults and not container.several


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_file_that_is_cut_anywhere_is_not_complete(kind: str, share: float) -> None:
    data = written(kind)
    assert not read_container(data[: int(len(data) * share)], kind).complete


@pytest.mark.parametrize("kind", KINDS)
def test_exif_is_found_as_the_same_block(kind: str) -> None:
    block = exif_block(6)
    container = read_container(written(kind, exif=b"Exif\0\0" + block), kind)
    assert container.exif == block


def test_what_follows_a_jpegs_end_does_not_matter() -> None:
    assert read_container(written("jpeg") + b"junk" * 50, "jpeg").complete


def test_several_pictures_in_one_file_are_reported() -> None:
    first = Image.fromarray(scene())
    for kind, name in (("jpeg", "MPO"), ("png", "PNG"), ("webp", "WEBP")):
        target = io.BytesIO()
        first.save(target, name, save_all=True, append_images=[first.transpose(Image.Transpose.ROTATE_180)])
        assert read_container(target.getvalue(), kind).several, kind


def test_a_flipped_bit_in_a_png_breaks_its_checksum() -> None:
    data = bytearray(png([bytes(range(8))] * 8, 8, 8, 0))
    data[data.index(b"IDAT") + 6] ^= 1
    assert "IDAT" in read_container(bytes(data), "png").faults[0]


def test_a_png_of_a_million_empty_chunks_is_soon_read() -> None:
    data = png([bytes(8)] * 8, 8, 8, 0, extra=chunk(b"teSt", b"") * 100_000)
    assert read_container(data, "png").complete


@pytest.mark.parametrize("kind", KINDS)
def test_noise_behind_a_header_is_reported_and_raises_nothing(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        data = written(kind)[:33] + rng.integers(0, 256, 400, dtype=np.uint8).tobytes()
        found = read_container(data, kind)
        assert not found.complete or found.faults or kind == "webp"  # which has no checksums
