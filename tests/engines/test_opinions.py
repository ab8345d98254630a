"""Two opinions: the surer one is taken, and the figures of the comparison are of both."""

from pathlib import Path

import numpy as np
import pytest

from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.engines import registry
from backend.engines.first_guess import FirstGuess
from backend.engines.load_segmenter import load_segmenter
from backend.engines.opinions import (
    Opinion,
    disagreement,
    doubted,
    sureness,
    surer,
    with_exact_outline,
    with_mirrored,
)
from backend.engines.registry import Engines
from backend.images.arrays import Image, Saliency
from backend.pipeline import cut_out
from tests.helpers.drawn import toy


def disc(inside: float, outside: float = 0.0, radius: float = 20.0) -> Saliency:
    y, x = np.mgrid[:64, :64]
    return np.where(np.hypot(x - 32, y - 32) < radius, inside, outside).astype(np.float32)


class Knows:
    """A segmenter that always answers the same, or, where it knows its picture, mirrored for any other."""

    one_scale = ""

    def __init__(self, name: str, saliency: Saliency, picture: Image | None = None) -> None:
        self.name, self.saliency, self.picture = name, saliency, picture

    def predict(self, image: Image) -> FirstGuess:
        same = self.picture is None or np.array_equal(image, self.picture)
        return FirstGuess(self.saliency if same else self.saliency[:, ::-1], facts={"device": "cpu"})


def test_a_decided_answer_is_surer_than_a_hazy_one_and_an_empty_one_is_not_sure_at_all() -> None:
    assert sureness(disc(1.0)) == 1.0
    assert sureness(disc(1.0)) > sureness(disc(0.8)) > sureness(disc(0.6)) > 0.0
    assert sureness(disc(1.0, outside=0.3)) < sureness(disc(1.0, outside=0.05)) == 1.0
    assert sureness(disc(0.4)) == sureness(disc(0.0)) == 0.0


def test_disagreement_is_nought_for_one_mask_and_whole_for_two_apart() -> None:
    assert disagreement(disc(1.0), disc(0.7)) == 0.0
    assert disagreement(disc(0.2), disc(0.1)) == 0.0
    assert disagreement(disc(1.0), 1.0 - disc(1.0)) == 1.0
    assert disagreement(disc(1.0), disc(1.0, radius=10)) == disagreement(disc(1.0, radius=10), disc(1.0)) > 0.5


def test_the_surer_is_taken_whichever_comes_first_and_the_first_where_they_are_equal() -> None:
    hazy, clear = Opinion("hazy", FirstGuess(disc(0.7))), Opinion("clear", FirstGuess(disc(0.9, radius=10)))
    for pair in ((hazy, clear), (clear, hazy)):
        chosen = surer(*pair, pair[1].guess)  # a disc is its own mirror image
        assert chosen.name == "clear" and np.array_equal(chosen.guess.saliency, clear.guess.saliency)
        assert chosen.guess.facts["disagreement"] == round(disagreement(disc(0.7), disc(0.9, radius=10)), 4)
        doubt = doubted(disc(0.9, radius=10), disc(0.7), disc(0.9, radius=10))
        assert chosen.guess.facts["doubted_share"] == pytest.approx(doubt, abs=0.01)
    twin = Opinion("twin", FirstGuess(disc(0.7)))
    assert surer(hazy, twin, twin.guess).name == "hazy" and surer(twin, hazy, hazy.guess).name == "twin"


def test_the_mirrored_look_of_the_second_network_counts_for_the_doubt_and_not_for_the_mask() -> None:
    first, second = Opinion("first", FirstGuess(disc(0.9))), Opinion("second", FirstGuess(disc(0.8)))
    agrees, differs = (surer(first, second, FirstGuess(disc(1.0, radius=radius))) for radius in (20, 10))
    assert np.array_equal(agrees.guess.saliency, differs.guess.saliency) and agrees.name == differs.name == "first"
    assert float(differs.guess.facts["doubted_share"]) > float(agrees.guess.facts["doubted_share"])


def test_doubt_is_what_one_expects_a_mask_to_lack_of_its_iou() -> None:
    half = np.zeros((40, 80), np.float32)
    half[:20, :40] = 1
    whole = np.zeros_like(half)
    whole[:20] = 1
    assert doubted(whole, whole) == 0 and doubted(half, half, half) == 0
    assert doubted(half, whole) == pytest.approx(disagreement(half, whole)) == 0.5  # certain opinions: 1 - IoU
    assert doubted(half, half, whole) == pytest.approx(1 - 1 / 1.5)  # half of the rest is expected to be missing
    assert doubted(whole, half, whole) == pytest.approx(0.25)
    assert doubted(half, 0.8 * half) == pytest.approx(0.2)
    assert doubted(np.zeros_like(half), half) == 1.0
    assert doubted(half, 0 * half) == 1.0


def test_doubt_is_the_same_at_any_size() -> None:
    y, x = np.mgrid[:1024, :1024]
    saliency = np.clip(1.2 - np.hypot(x - 512, y - 512) / 400, 0, 1).astype(np.float32)
    assert doubted(saliency, saliency) == pytest.approx(doubted(saliency[::4, ::4], saliency[::4, ::4]), rel=0.02)


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """Engines with u2net, which is unsure of the toy's place, and u2netp, which is sure."""
    truth = toy()[1].astype(np.float32)
    networks = {"u2net": Knows("u2net", 0.6 * truth), "u2netp": Knows("u2netp", truth), "own": Knows("own", truth)}
    monkeypatch.setattr(
        registry, "load_segmenter", lambda name, *rest: networks.get(name) or load_segmenter(name, *rest)
    )
    monkeypatch.setattr("backend.weights.availability.is_here", lambda name, _: name in networks or name == "border")
    monkeypatch.setattr(registry, "is_here", lambda name, _: name in networks)
    return Engines(Settings(checkpoints_dir=tmp_path))


def test_auto_takes_the_surer_of_two_networks_and_reports_both(engines: Engines) -> None:
    report = cut_out(toy()[0], engines=engines).report
    assert report.segmenter.name == "u2netp"
    facts = report.segmenter.model_dump()
    assert facts["disagreement"] == 0.0 and "u2net (" in facts["opinions"] and "u2netp (" in facts["opinions"]
    assert "u2netp" in [model.id for model in report.models]


def test_a_network_that_is_named_makes_the_mask_and_another_is_asked_for_the_grade(engines: Engines) -> None:
    image, truth = toy()
    made = cut_out(image, MaskOptions(model="u2net", quality="fast"), engines=engines)
    facts = made.report.segmenter.model_dump()
    assert facts["name"] == "u2net" and "opinions" not in facts and facts["disagreement"] == 0.0
    assert 0 < facts["doubted_share"] < 1  # the toy is not its own mirror image
    assert np.array_equal(made.alpha >= 0.5, truth)


def test_the_small_network_is_asked_about_the_mirror_image_for_the_grade(engines: Engines) -> None:
    image, truth = toy()
    facts = cut_out(image, MaskOptions(model="u2netp"), engines=engines).report.segmenter.model_dump()
    assert facts["disagreement"] == round(disagreement(truth, truth[:, ::-1]), 4) > 0
    assert 0 < facts["doubted_share"] < facts["disagreement"]  # its own sure answer is one of the two


@pytest.mark.parametrize("shift, vouched", [(0, True), (40, False)])
def test_a_network_that_agrees_outweighs_the_doubts_of_a_guess_by_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: int, vouched: bool
) -> None:
    image, truth = toy()
    doubtful = FirstGuess(truth.astype(np.float32), ("It is cluttered.",), {"separation": 0.5}, by_color=True)
    border = Knows("border", truth)
    network = Knows("u2netp", np.roll(truth, shift, axis=1).astype(np.float32), image)
    monkeypatch.setattr(border, "predict", lambda image: doubtful)
    monkeypatch.setattr(registry, "load_segmenter", lambda name, *rest: border if name == "border" else network)
    monkeypatch.setattr("backend.weights.availability.is_here", lambda name, _: name == "u2netp")
    monkeypatch.setattr(registry, "is_here", lambda name, _: name == "u2netp")
    options = MaskOptions(model="border", quality="fast")
    report = cut_out(image, options, engines=Engines(Settings(checkpoints_dir=tmp_path))).report
    assert "It is cluttered." in report.notes
    assert ("It is cluttered." not in report.mask.advice) is vouched
    assert (report.mask.grade == "A") is vouched


def test_a_network_that_is_asked_at_three_scales_and_one_that_means_other_things_stand_alone(engines: Engines) -> None:
    for options in (MaskOptions(multi_scale=True), MaskOptions(model="u2net", multi_scale=True)):
        report = cut_out(toy()[0], options, engines=engines).report
        assert report.segmenter.name == "u2net" and "disagreement" not in report.segmenter.model_dump()
    report = cut_out(toy()[0], MaskOptions(model="own"), engines=engines).report
    assert report.segmenter.name == "own" and "disagreement" not in report.segmenter.model_dump()


def test_the_operators_choice_is_what_auto_means_and_stands_alone(engines: Engines, tmp_path: Path) -> None:
    chosen = Engines(Settings(checkpoints_dir=tmp_path, segmenter="own"))
    report = cut_out(toy()[0], engines=chosen).report
    assert report.segmenter.name == "own" and "opinions" not in report.segmenter.model_dump()
    assert chosen.describe()["segmenter"]["auto"] == "own"


def test_a_mirrored_answer_is_turned_back_and_averaged() -> None:
    first, second = np.zeros((4, 6), np.float32), np.zeros((4, 6), np.float32)
    first[:, :2] = 1
    second[:, -2:] = 1  # of the mirror image: the same place
    both = with_mirrored(FirstGuess(first), FirstGuess(second))
    assert np.array_equal(both.saliency, first) and both.facts["disagreement"] == 0
    apart = with_mirrored(FirstGuess(first), FirstGuess(first))
    assert np.array_equal(apart.saliency, (first + first[:, ::-1]) / 2) and apart.facts["disagreement"] == 1


def square(left: int, right: int) -> np.ndarray:
    saliency = np.zeros((20, 20), np.float32)
    saliency[5:15, left:right] = 1
    return saliency


def ring(inner: int) -> np.ndarray:
    saliency = square(0, 20)
    saliency[7:13, 10 - inner : 10 + inner] = 0
    return saliency


def outlined(network: np.ndarray, plain: np.ndarray, *notes: str) -> Opinion:
    return with_exact_outline(Opinion("some", FirstGuess(network)), FirstGuess(plain, notes, exact=True, by_color=True))


@pytest.mark.parametrize("network", [square(4, 16), square(5, 16), square(4, 8)], ids=["same", "alike", "a piece"])
def test_a_plain_backdrops_outline_is_taken_where_both_mean_one_object(network: np.ndarray) -> None:
    chosen = outlined(network, square(4, 16))
    assert chosen.name == "some" and chosen.guess.exact
    assert np.array_equal(chosen.guess.saliency, square(4, 16))
    assert chosen.guess.facts["outline"] == "border" and "plain backdrop" in chosen.guess.remarks[-1]


@pytest.mark.parametrize(
    "network", [square(0, 12), square(0, 4), square(0, 0)], ids=["a part left out", "another", "nothing"]
)
def test_the_network_is_believed_where_they_mean_two_things(network: np.ndarray) -> None:
    chosen = outlined(network, square(6, 16))
    assert not chosen.guess.exact and np.array_equal(chosen.guess.saliency, network)
    assert "outline" not in chosen.guess.facts and "backdrop_disagreement" in chosen.guess.facts


def test_openings_that_the_network_filled_are_taken_from_the_backdrop() -> None:
    chosen = outlined(square(0, 20), ring(9))
    assert chosen.guess.exact and np.array_equal(chosen.guess.saliency, ring(9))


def test_a_plain_cut_that_doubts_itself_is_not_taken() -> None:
    assert not outlined(square(4, 16), square(4, 16), "It may be wrong.").guess.exact
