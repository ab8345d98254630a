"""`roi`: the object is searched in a part of the picture, and the rest is background."""

from pathlib import Path

import numpy as np
import pytest

from backend.contract.errors import InvalidParameterError
from backend.contract.options import MaskOptions, MeshOptions, roi_box
from backend.contract.settings import Settings
from backend.engines.registry import Engines
from backend.pipeline import Cutout, cut_out, reconstruct
from tests.helpers.drawn import encoded, iou, toy

IMAGE, TRUTH = toy()
HEIGHT, WIDTH = TRUTH.shape
BESIDE = np.hstack([IMAGE, IMAGE[:, ::-1]])  # two objects, the second one mirrored
RIGHT = f"{WIDTH},0,{WIDTH},{HEIGHT}"


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(Settings(checkpoints_dir=tmp_path))


def cut(engines: Engines, image: np.ndarray, mask: bytes | None = None, **options: object) -> Cutout:
    return cut_out(image, MaskOptions.model_validate({"model": "border", **options}), mask=mask, engines=engines)


@pytest.mark.parametrize("roi", [RIGHT, "50%,0%,50%,100%", f"{WIDTH}px,0,50%,{HEIGHT}"])
def test_the_object_inside_is_found_and_the_one_beside_is_background(engines: Engines, roi: str) -> None:
    made = cut(engines, BESIDE, roi=roi)
    assert made.alpha.shape == (HEIGHT, 2 * WIDTH)
    assert not made.alpha[:, :WIDTH].any()
    assert iou(made.alpha[:, WIDTH:] > 0.5, TRUTH[:, ::-1]) > 0.9


def test_the_part_is_cut_out_as_the_picture_of_it_alone_would_be(engines: Engines) -> None:
    alone = cut(engines, np.ascontiguousarray(BESIDE[:, WIDTH:]))
    np.testing.assert_array_equal(cut(engines, BESIDE, roi=RIGHT).alpha[:, WIDTH:], alone.alpha)


def test_a_mask_and_a_transparency_count_inside_only(engines: Engines) -> None:
    both = np.hstack([TRUTH, TRUTH[:, ::-1]])
    made = cut(engines, BESIDE, encoded((both * 255).astype(np.uint8)), roi=RIGHT)
    np.testing.assert_array_equal(made.alpha > 0.5, both & (np.arange(2 * WIDTH) >= WIDTH))


def test_a_mesh_is_made_of_the_object_inside(engines: Engines) -> None:
    made = reconstruct(BESIDE, MeshOptions(model="border", engine="relief", roi=RIGHT), engines=engines)
    assert not made.alpha[:, :WIDTH].any()


@pytest.mark.parametrize("roi", ["400,0,10,10", "0,0,0,5", "0,120,10,10"])
def test_a_part_outside_of_the_picture_is_refused(engines: Engines, roi: str) -> None:
    with pytest.raises(InvalidParameterError, match="roi"):
        cut(engines, BESIDE, roi=roi)


def test_a_part_is_cut_at_the_frame() -> None:
    assert roi_box("10,20,5000,5000", 100, 200) == (10, 20, 200, 100)
    assert roi_box("10%,50%,10%,50%", 100, 200) == (20, 50, 40, 100)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "-1,2,3,4", "a,b,c,d", "1e9,0,1,1", "nan,0,1,1"])
def test_another_text_is_no_part(text: str) -> None:
    with pytest.raises(ValueError):
        MaskOptions(roi=text)
