"""Ink and paper separated pixel by pixel."""

import numpy as np

from backend.matte.documents import ink
from backend.matte.documents.ink import WHITE, ink_alpha
from backend.matte.documents.paper import PaperConfig
from backend.matte.documents.shading import paper_shading
from tests.helpers.document_scenes import INKS, f_score, photographed, signature

PAPER = (WHITE, WHITE, WHITE)


def found(photo: np.ndarray, region: np.ndarray | None = None) -> np.ndarray:
    return ink_alpha(photo, region, paper_shading(photo), PAPER, PaperConfig())


def test_the_alpha_of_a_strokes_rim_is_how_much_of_it_is_ink() -> None:
    truth = signature(300, 450)
    alpha = found(photographed(truth, INKS["black"], noise=2))
    assert abs(float(alpha.sum()) - float(truth.sum())) < 0.06 * truth.sum()
    assert f_score(alpha >= 0.5, truth >= 0.5) > 0.98


def test_outside_of_the_region_nothing_is_ink() -> None:
    truth = signature(300, 450)
    region = np.zeros(truth.shape, bool)
    region[:, 200:] = True
    photo = photographed(truth, INKS["blue"])
    alpha, whole = found(photo, region), found(photo)
    assert (alpha[:, :200] == 0).all()
    assert np.array_equal(alpha[:, 200:], whole[:, 200:])


def test_blank_paper_has_no_ink() -> None:
    for light in ("flat", "gradient", "textured"):
        blank = photographed(np.zeros((200, 300), np.float32), (0, 0, 0), light)
        assert (found(blank) == 0).all()


def test_tiles_leave_no_seams(monkeypatch: object) -> None:
    photo = photographed(signature(300, 450), INKS["green"], "shadow")
    small = found(photo)
    monkeypatch.setattr(ink, "TILE_PX", 1024)  # type: ignore[attr-defined]
    assert np.mean(small != found(photo)) < 1e-3


def test_a_faint_stroke_connected_to_ink_is_ink_and_a_faint_spot_is_paper() -> None:
    photo = np.full((120, 200, 3), 245, np.uint8)
    photo[58:62, 20:90] = 120
    photo[58:62, 90:96] = 205  # too faint by the rule: 69 away
    photo[20:24, 150:156] = 205
    alpha = found(photo)
    assert (alpha[59:61, 93:95] >= 0.5).all()  # nearer to the surer ink it could be that ink's own rim
    assert (alpha[15:30, 140:160] == 0).all()
