"""`mode=document`, from the picture to the alpha."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from backend.contract.options import MaskOptions
from backend.pipeline import Cutout, cut_out
from tests.helpers.document_scenes import (
    INKS,
    LIGHTS,
    PAPERS,
    f_score,
    photographed,
    ring_stamp,
    signature,
    solid_stamp,
)

DRAWN = {"signature": signature, "ring": ring_stamp, "solid": solid_stamp}


def document(photo: np.ndarray, **options: object) -> Cutout:
    return cut_out(photo, MaskOptions.model_validate({"mode": "document", **options}))


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("drawn", list(DRAWN))
def test_ink_is_found_in_every_light(drawn: str, light: str) -> None:
    for number, ink in enumerate(INKS.values()):
        truth = DRAWN[drawn](240, 380, number)
        paper = list(PAPERS.values())[number % 2]
        cutout = document(photographed(truth, ink, light, number, paper))
        assert f_score(cutout.alpha >= 0.5, truth >= 0.5) > (0.97 if light == "flat" else 0.96)
        assert set(np.unique(cutout.alpha)) == {0, 1}


@pytest.mark.parametrize("light", ["flat", "gradient", "shadow"])
def test_camera_noise_is_not_ink_even_in_a_shadow(light: str) -> None:
    for draw in (signature, ring_stamp):
        truth = draw(240, 380, 1)
        noisy = document(photographed(truth, INKS["blue"], light, noise=9))
        assert f_score(noisy.alpha >= 0.5, truth >= 0.5) > 0.92


def test_a_soft_shadow_in_the_middle_of_the_page_is_paper() -> None:
    truth = signature(240, 380, 1)
    y, x = (axis / side - 0.5 for axis, side in zip(np.mgrid[:240, :380], (240, 380), strict=True))
    shade = 1 - 0.4 * np.exp(-(x**2 + y**2) / 0.03)
    photo = photographed(truth, INKS["black"], paper=PAPERS["white"]) * shade[..., None]
    assert f_score(document(np.rint(photo).astype(np.uint8)).alpha >= 0.5, truth >= 0.5) > 0.97


@pytest.mark.parametrize("paper", list(PAPERS.values()))
def test_patches_of_paper_go_and_patches_of_ink_stay(paper: tuple[int, int, int]) -> None:
    patches = {
        (255, 255, 255): 0, (250, 244, 222): 0, (222, 220, 216): 0, (120, 118, 115): 1, (40, 60, 170): 1,
        (200, 30, 40): 1, (20, 20, 22): 1, (140, 140, 142): 1,
    }  # fmt: skip
    page = np.full((300, 600, 3), paper, np.float64)
    for number, color in enumerate(patches):
        y, x = 40 + (number // 4) * 130, 40 + (number % 4) * 140
        page[y : y + 80, x : x + 80] = color
    page += np.random.default_rng(0).normal(0, 4, page.shape)
    alpha = document(np.clip(page, 0, 255).astype(np.uint8)).alpha
    for number, (color, stays) in enumerate(patches.items()):
        y, x = 60 + (number // 4) * 130, 60 + (number % 4) * 140
        assert (alpha[y : y + 40, x : x + 40] == stays).all(), color


def test_a_page_on_a_desk_is_found_first_and_its_edge_is_not_ink() -> None:
    truth = signature(300, 440, 2)
    photo = np.clip(np.random.default_rng(0).normal((110, 75, 40), 4, (500, 700, 3)), 0, 255).astype(np.uint8)
    photo[100:400, 130:570] = photographed(truth, INKS["blue"], "gradient")
    whole = np.zeros((500, 700), np.float32)
    whole[100:400, 130:570] = truth
    cutout = document(photo)
    assert cutout.report.segmenter.name == "border"
    assert f_score(cutout.alpha >= 0.5, whole >= 0.5) > 0.96


def test_an_own_mask_bounds_the_ink() -> None:
    truth = signature(240, 380)
    mask = np.zeros((240, 380, 3), np.uint8)
    mask[:, 190:] = 255
    alpha = cut_out(photographed(truth, INKS["red"]), MaskOptions(mode="document"), mask=mask).alpha
    assert (alpha[:, :190] == 0).all()
    assert f_score(alpha[:, 190:] >= 0.5, truth[:, 190:] >= 0.5) > 0.97


@pytest.mark.parametrize("ink", ["blue", "red", "black"])
@pytest.mark.parametrize("light", ["flat", "gradient", "shadow"])
def test_a_dense_stamp_may_cover_most_of_the_picture(ink: str, light: str) -> None:
    truth = np.zeros((240, 380), np.float32)
    truth[20:220, 30:350] = 1
    truth[90:150, 100:120] = truth[90:150, 160:180] = truth[110:120, 100:250] = 0
    cutout = document(photographed(truth, INKS[ink], light))
    assert cutout.report.segmenter.name == "paper"
    assert f_score(cutout.alpha >= 0.5, truth >= 0.5) > 0.97


@pytest.mark.parametrize("paper", [(250, 235, 130), (255, 190, 100), (250, 200, 210), (190, 215, 250), (196, 160, 115)])
def test_coloured_paper_is_paper(paper: tuple[int, int, int]) -> None:
    truth = signature(240, 380, 1)
    for light in ("flat", "gradient"):
        cutout = document(photographed(truth, (30, 40, 120), light, paper=paper))
        assert f_score(cutout.alpha >= 0.5, truth >= 0.5) > 0.97


def test_chalk_on_a_blackboard_keeps_its_colour_and_the_board_goes() -> None:
    truth = signature(240, 380, 1)
    cutout = document(photographed(truth, (235, 235, 230), "gradient", paper=(35, 60, 50)), output="cutout")
    assert f_score(cutout.alpha >= 0.5, truth >= 0.5) > 0.96
    assert np.median(cutout.image[cutout.alpha >= 0.5]) > 120
    report = cutout.report.as_json()
    assert any("negative" in note for note in report["notes"])
    assert np.abs([int(report["segmenter"]["paper"][at : at + 2], 16) for at in (1, 3, 5)]).max() < 70


def test_white_ink_that_is_transparent_around_stays(tmp_path: Path) -> None:
    truth = signature(240, 380, 1)
    ink = np.dstack([np.full((240, 380, 3), 255, np.uint8), np.rint(truth * 255).astype(np.uint8)])
    PillowImage.fromarray(ink, "RGBA").save(tmp_path / "white.png")
    alpha = cut_out(tmp_path / "white.png", MaskOptions(mode="document")).alpha
    assert f_score(alpha >= 0.5, truth >= 0.5) > 0.99


def test_a_mask_that_hugs_a_dense_stamp_keeps_the_ink() -> None:
    truth = solid_stamp(240, 380)
    hugging = np.dstack([(truth > 0.02).astype(np.uint8) * 255] * 3)
    photo = photographed(truth, INKS["blue"])
    alpha = cut_out(photo, MaskOptions(mode="document"), mask=hugging).alpha
    assert f_score(alpha >= 0.5, truth >= 0.5) > 0.97


def test_edges_are_sharp_by_themselves_and_soft_where_asked() -> None:
    photo = photographed(signature(240, 380), INKS["black"])
    soft = document(photo, edges="soft").alpha
    assert ((soft > 0.1) & (soft < 0.9)).any()
    assert np.array_equal(document(photo).alpha, (soft >= 0.5).astype(np.float32))


def test_sharp_edges_are_for_objects_too() -> None:
    image = np.full((120, 160, 3), 230, np.uint8)
    image[30:90, 40:120] = (160, 40, 40)
    assert set(np.unique(cut_out(image, MaskOptions(edges="sharp")).alpha)) == {0, 1}


def test_the_report_tells_of_border_and_paper() -> None:
    report = document(photographed(signature(240, 380), INKS["blue"])).report.as_json()
    assert report["background"]["uniform"] is True
    assert report["background"]["deviation"] < 25
    assert report["segmenter"]["name"] == "paper"
    red, green, blue = (int(report["segmenter"]["paper"][place : place + 2], 16) for place in (1, 3, 5))
    assert np.abs(np.array([red, green, blue]) - PAPERS["cream"]).max() < 12


def test_blank_paper_and_missing_paper_get_a_note() -> None:
    blank = photographed(np.zeros((120, 160), np.float32), (0, 0, 0))
    assert "Only paper was found; there is no ink to keep." in document(blank).report.notes
    dark = np.random.default_rng(0).integers(0, 60, (120, 160, 3)).astype(np.uint8)
    assert any("No paper" in note for note in document(dark).report.notes)


def test_depth_takes_no_part() -> None:
    report = document(photographed(signature(120, 190), INKS["blue"]), strategy="auto").report.as_json()
    assert report["fusion"]["strategy"] == "segmentation"
    assert any("Depth" in note for note in report["notes"])


def test_real_signatures_come_out_thin_and_whole(shared: Path) -> None:
    """Their ink covers a few percent and the background none: what a person sees on the sheet, in figures."""
    for path in sorted((shared / "photos" / "documents").glob("signature-recognation*")):
        cutout = cut_out(path, MaskOptions(mode="document"))
        share = float(cutout.alpha.mean())
        assert 0.01 < share < 0.15, path.name
        border = np.concatenate([cutout.alpha[:3].ravel(), cutout.alpha[-3:].ravel()])
        assert border.mean() < 0.02, path.name
