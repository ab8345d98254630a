"""What remove.bg's parameters make of the picture: sizes, places, backgrounds and formats."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.contract.errors import NoSubjectError
from backend.contract.removebg import RemoveBgOptions, our_roi, sides_px
from backend.contract.settings import Settings
from backend.dialects.removebg import Composed, remove_background
from backend.engines.registry import Engines
from tests.helpers.drawn import encoded, iou, toy

IMAGE, TRUTH = toy()
ROWS, COLUMNS = np.flatnonzero(TRUTH.any(1)), np.flatnonzero(TRUTH.any(0))


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(Settings(checkpoints_dir=tmp_path))


def made(engines: Engines, background: bytes | None = None, **options: object) -> tuple[Composed, Image.Image]:
    wanted = RemoveBgOptions.model_validate({"model": "border", "size": "full", **options})
    done = remove_background(IMAGE, wanted, background=background, engines=engines)
    picture = Image.open(io.BytesIO(done.file.data))
    assert (done.report.width, done.report.height) == picture.size
    return done, picture


def alpha_of(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.getchannel("A") if picture.mode == "RGBA" else picture)


def test_the_default_is_a_transparent_png(engines: Engines) -> None:
    done, picture = made(engines)
    assert (done.file.media_type, picture.mode, picture.size) == ("image/png", "RGBA", (160, 120))
    assert iou(alpha_of(picture) > 127, TRUTH) > 0.9


@pytest.mark.parametrize(("color", "pixel"), [("81d4fa", (129, 212, 250)), ("#fff", (255, 255, 255))])
def test_a_background_makes_a_jpeg(engines: Engines, color: str, pixel: tuple[int, int, int]) -> None:
    done, picture = made(engines, bg_color=color)
    assert done.file.media_type == "image/jpeg"
    assert np.abs(np.asarray(picture)[2, 2].astype(int) - pixel).max() <= 2


@pytest.mark.parametrize(("format", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
def test_the_format_is_the_one_asked_for(engines: Engines, format: str, kind: str) -> None:
    assert made(engines, format=format)[1].format == kind


@pytest.mark.parametrize("background", ["", "336699"])
def test_a_zip_is_put_together_to_the_png(engines: Engines, background: str) -> None:
    options = {"bg_color": background, "add_shadow": True} if background else {}
    wanted = RemoveBgOptions.model_validate({"model": "border", "size": "full", "format": "zip", **options})
    made_zip = remove_background(IMAGE, wanted, engines=engines).file
    again = remove_background(IMAGE, wanted, engines=engines).file
    assert (made_zip.name, made_zip.media_type) == ("no-bg.zip", "application/zip") and again.data == made_zip.data
    with zipfile.ZipFile(io.BytesIO(made_zip.data)) as archive:
        parts = {name: Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    assert list(parts) == ["color.jpg", "alpha.png", *(["background.jpg"] if background else [])]
    assert (parts["color.jpg"].format, parts["color.jpg"].mode) == ("JPEG", "RGB")
    assert (parts["alpha.png"].format, parts["alpha.png"].mode) == ("PNG", "L")
    whole = np.asarray(made(engines, format="png")[1]).astype(int)
    color, alpha = np.asarray(parts["color.jpg"]).astype(int), np.asarray(parts["alpha.png"])
    assert (alpha == whole[..., 3]).all()
    assert np.abs(color - whole[..., :3])[alpha > 127].mean() < 3
    if background:
        assert np.abs(np.asarray(parts["background.jpg"])[2, 2].astype(int) - (0x33, 0x66, 0x99)).max() <= 2


def test_another_picture_lies_behind(engines: Engines) -> None:
    behind = encoded(np.full((40, 60, 3), (200, 30, 40), np.uint8))
    _, picture = made(engines, behind, format="png")
    assert picture.mode == "RGB" and picture.getpixel((2, 2)) == (200, 30, 40)


def test_the_alpha_alone_is_a_mask(engines: Engines) -> None:
    _, picture = made(engines, channels="alpha")
    assert picture.mode == "L" and iou(np.asarray(picture) > 127, TRUTH) > 0.9


def test_a_crop_has_its_margins(engines: Engines) -> None:
    _, tight = made(engines, crop="true")
    done, wide = made(engines, crop="true", crop_margin="10px 20px 30px")
    assert wide.size == (tight.width + 40, tight.height + 40)
    assert done.report.foreground == (20, 10, 20 + tight.width, 10 + tight.height)
    assert abs(tight.width - (COLUMNS[-1] - COLUMNS[0] + 1)) <= 4


def test_an_object_is_scaled_and_moved_within_the_frame(engines: Engines) -> None:
    done, picture = made(engines, scale="50%", position="center")
    x0, y0, x1, y1 = done.report.foreground
    assert picture.size == (160, 120)
    assert max((x1 - x0) / 160, (y1 - y0) / 120) == pytest.approx(0.5, abs=0.03)
    assert abs((x0 + x1) / 2 - 80) <= 2 and abs((y0 + y1) / 2 - 60) <= 2
    done, _ = made(engines, scale="50%", position="0% 100%")
    assert done.report.foreground[0] <= 2 and done.report.foreground[3] >= 118


def test_a_preview_has_a_quarter_of_a_megapixel_and_keeps_its_shape(engines: Engines) -> None:
    large = np.kron(IMAGE, np.ones((10, 10, 1), np.uint8))
    mask_options = RemoveBgOptions.model_validate({"model": "border", "size": "preview"})
    picture = Image.open(io.BytesIO(remove_background(large, mask_options, engines=engines).file.data))
    assert 240_000 < picture.width * picture.height <= 250_500
    assert picture.width / picture.height == pytest.approx(4 / 3, abs=0.01)


def test_without_semitransparency_a_pixel_is_there_or_not(engines: Engines) -> None:
    _, picture = made(engines, semitransparency="false")
    assert set(np.unique(alpha_of(picture))) == {0, 255}


def test_a_shadow_darkens_the_ground(engines: Engines) -> None:
    plain, shadowed = (
        np.asarray(made(engines, bg_color="white", format="png", add_shadow=shadow)[1]).astype(int)
        for shadow in ("false", "true")
    )
    assert shadowed.mean() < plain.mean() - 1


def test_nothing_found_is_their_error(engines: Engines) -> None:
    mask = RemoveBgOptions.model_validate({"model": "border", "roi": "0,0,3,3"})
    with pytest.raises(NoSubjectError):
        remove_background(np.full((60, 60, 3), 120, np.uint8), mask, engines=engines)


def test_a_roi_is_two_corners() -> None:
    assert our_roi("10 20 110 70") == "10px,20px,100px,50px"
    assert our_roi("0% 10% 50% 100%") == "0%,10%,50%,90%"
    assert our_roi("110px 70px 10px 20px") == "10px,20px,100px,50px"
    for wrong in ("1 2 3", "a b c d", "0% 0 50 10", ""):
        with pytest.raises(ValueError):
            our_roi(wrong)


def test_margins_are_read_as_in_css() -> None:
    assert sides_px("10%", 200, 100) == (20, 10, 20, 10)
    assert sides_px("5px 10px", 200, 100) == (5, 10, 5, 10)
    assert sides_px("1 2 3 4", 200, 100) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "options", [{"size": "huge"}, {"crop_margin": "wide"}, {"scale": "half"}, {"position": "left"}, {"bg_color": "red"}]
)
def test_what_is_not_a_parameters_value_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        RemoveBgOptions.model_validate(options)
