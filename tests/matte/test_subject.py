"""Where the alpha comes from: the caller's mask, the picture's transparency, a segmenter; and what is told of it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.engines.registry import Engines
from backend.pipeline import Cutout, cut_out, reconstruct
from tests.helpers.drawn import encoded, iou, toy

IMAGE, TRUTH = toy()


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(Settings(checkpoints_dir=tmp_path))


def cut(engines: Engines, source: bytes, mask: bytes | None = None, **options: object) -> Cutout:
    return cut_out(source, MaskOptions.model_validate({"model": "border", **options}), mask=mask, engines=engines)


def grey(values: np.ndarray) -> bytes:
    return encoded(values.astype(np.uint8))


@pytest.mark.parametrize("where", ["pixel", "haze", "corners"])
def test_transparency_that_outlines_nothing_is_kept_and_the_object_found(engines: Engines, where: str) -> None:
    alpha = np.full(TRUTH.shape, 255, np.uint8)
    if where == "pixel":
        alpha[5, 5] = 0
    elif where == "haze":
        alpha[:] = 254
    else:
        alpha[:2, :2] = alpha[-2:, -2:] = 0
    made = cut(engines, encoded(np.dstack([IMAGE, alpha])))
    assert made.report.segmenter.name == "border"
    assert iou(made.alpha > 0.5, TRUTH) > 0.9
    assert (made.alpha <= alpha / 255 + 1e-6).all()
    assert any("outlines nothing" in note for note in made.report.notes)


def test_transparency_that_outlines_the_object_is_the_mask(engines: Engines) -> None:
    made = cut(engines, encoded(np.dstack([IMAGE, (TRUTH * 255).astype(np.uint8)])))
    assert made.report.segmenter.name == "own-alpha"
    assert np.array_equal(made.alpha > 0.5, TRUTH)


def test_a_mask_of_zero_and_one_is_read_as_black_and_white(engines: Engines) -> None:
    made = cut(engines, encoded(IMAGE), grey(TRUTH))
    assert np.array_equal(made.alpha, TRUTH.astype(np.float32))
    mesh = reconstruct(encoded(IMAGE), MeshOptions(engine="relief"), mask=grey(TRUTH), engines=engines)
    for notes in (made.report.notes, mesh.report.notes):
        assert any("brightest value is 1" in note for note in notes)


def test_a_masks_profile_does_not_change_its_values(engines: Engines) -> None:
    buffer, half = io.BytesIO(), np.where(TRUTH, 128, 0).astype(np.uint8)
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    Image.fromarray(np.dstack([half] * 3)).save(buffer, "PNG", icc_profile=linear)
    made = cut(engines, encoded(IMAGE), buffer.getvalue())
    assert set(np.unique(np.rint(made.alpha * 255))) == {0, 128}
    assert made.report.notes == []


def test_a_mask_that_is_white_all_around_is_taken_at_its_word_and_told(engines: Engines) -> None:
    made = cut(engines, encoded(IMAGE), grey(~TRUTH * 255))
    assert np.array_equal(made.alpha > 0.5, ~TRUTH)
    assert any("white all around" in note for note in made.report.notes)


def test_the_density_is_kept(engines: Engines) -> None:
    made = cut(engines, encoded(IMAGE, dpi=(300, 300)), output="cutout")
    with Image.open(io.BytesIO(made.file.data)) as written:
        assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert b"pHYs" not in cut(engines, encoded(IMAGE)).file.data


def test_the_holes_of_the_request_go_before_those_of_the_service(engines: Engines) -> None:
    image = np.full((200, 200, 3), 245, np.uint8)
    image[40:160, 50:150] = (30, 60, 140)
    image[90:140, 65:135] = 245  # a label in the backdrop's colour
    shown = {holes: cut(engines, encoded(image), holes=holes) for holes in ("auto", "keep", "fill", "open")}
    solid = {holes: bool(made.alpha[115, 100] > 0.5) for holes, made in shown.items()}
    assert solid == {"auto": True, "keep": False, "fill": True, "open": False}
    assert any("holes=open" in note for note in shown["auto"].report.notes)


def test_instances_works_with_a_segmenter_that_knows_no_instances(engines: Engines) -> None:
    image = np.full((120, 400, 3), 245, np.uint8)
    image[30:90, 40:100] = (30, 60, 140)
    image[40:80, 180:220] = (150, 40, 40)
    image[58:64, 388:394] = (20, 20, 20)
    covered = {n: (cut(engines, encoded(image), instances=n).alpha > 0.5).sum() for n in (1, 2, "all")}
    assert covered == {1: 3600, 2: 5200, "all": 5236}


def test_a_sprite_gets_sharp_edges_by_itself(engines: Engines) -> None:
    image = np.full((24, 24, 3), (90, 160, 220), np.uint8)
    image[6:18, 7:17] = (200, 40, 40)
    image[8:10, 9:11] = (255, 255, 255)
    made = cut(engines, encoded(image))
    assert set(np.unique(made.alpha)) == {0, 1}
    assert made.alpha.sum() == 120


@pytest.mark.parametrize("up", ["y", "z"])
def test_the_bounds_of_a_mesh_are_those_of_its_file(engines: Engines, up: str) -> None:
    options = MeshOptions.model_validate({"engine": "relief", "format": "stl", "up": up, "texture": "baked"})
    made = reconstruct(encoded(IMAGE), options, mask=grey(TRUTH * 255), engines=engines)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    points = np.frombuffer(made.file.data[84:], record)["corners"].reshape(-1, 3)
    np.testing.assert_allclose(made.report.mesh.bounds, [points.min(axis=0), points.max(axis=0)], atol=1e-4)
    assert any("texture=baked was ignored" in note for note in made.report.notes)
    assert any("no unit" in note for note in made.report.notes)
