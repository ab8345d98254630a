"""The orientation is one number in an untrusted block; the turn follows the tag's definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.images.decoding.exif import orientation_of, turn_upright
from tests.helpers.picture_files import EXIF_SIDES, exif_block, scene, stored_as


@pytest.mark.parametrize("orientation", EXIF_SIDES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "I"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_orientation_is_read_in_both_byte_orders(orientation: int, order: str, kind: str, prefix: bytes) -> None:
    assert orientation_of(prefix + exif_block(orientation, order, kind)) == orientation


@pytest.mark.parametrize(
    "block",
    [b"", b"Exif\0\0", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"nonsense" * 9]
    + [exif_block(value) for value in (0, 9, 99, 65535)]
    + [exif_block(6)[:-6]],
)
def test_an_invalid_block_means_no_turn(block: bytes) -> None:
    assert orientation_of(block) == 1


@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b"Exif\0\0II*\0", b""]))
def test_any_block_gives_an_orientation(tail: bytes, head: bytes) -> None:
    assert 1 <= orientation_of(head + tail) <= 8


@pytest.mark.parametrize("orientation", EXIF_SIDES)
@pytest.mark.parametrize(("height", "width"), [(24, 40), (1, 1), (1, 7), (7, 1)])
def test_every_orientation_comes_back_upright(orientation: int, height: int, width: int) -> None:
    upright = scene(height, width)
    np.testing.assert_array_equal(turn_upright(stored_as(upright, orientation), orientation), upright)
    plane = np.ascontiguousarray(upright[..., 0])
    np.testing.assert_array_equal(turn_upright(stored_as(plane, orientation), orientation), plane)


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_another_number_is_refused(orientation: int) -> None:
    with pytest.raises(ValueError, match="orientation"):
        turn_upright(scene(), orientation)
