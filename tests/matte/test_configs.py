"""The operator's settings reach the stages."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.engines.first_guess import FirstGuess
from backend.engines.registry import Engines
from backend.matte.configs import matte_config, scorecard_config
from backend.matte.refine.holes import HolesConfig
from backend.matte.refine.scorecard import ScorecardConfig
from backend.matte.refine.threshold import ThresholdConfig
from backend.pipeline import cut_out, reconstruct
from backend.preprocessing import PRESETS
from tests.helpers.drawn import toy


@pytest.mark.parametrize("quality", PRESETS)
def test_without_settings_the_presets_are_as_they_are(quality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASK_THRESHOLD", "MASK_THRESHOLD_MIN", "MASK_THRESHOLD_MAX", "HOLES", "MORPH_KERNEL_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert matte_config(Settings(), quality) == PRESETS[quality]
    assert scorecard_config(Settings()) == ScorecardConfig()


def test_the_environment_reaches_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "MASK_THRESHOLD": "0.7",
        "MASK_THRESHOLD_MIN": "0.2",
        "MASK_THRESHOLD_MAX": "0.9",
        "MORPH_KERNEL_SIZE": "9",
        "HOLES": "fill",
        "MAX_HOLE_SHARE": "0.1",
        "MIN_OBJECT_COVERAGE": "0.2",
        "MAX_OBJECT_COVERAGE": "0.8",
        "USE_SMART_PADDING": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    config = matte_config(settings, "fast")
    assert config.threshold == ThresholdConfig(0.7, 0.2, 0.9)
    assert config.holes == HolesConfig("fill", fill_share=0.1)
    assert config.morphology.kernel_size == 9
    assert config.grabcut is None
    assert (scorecard_config(settings).min_coverage, scorecard_config(settings).max_coverage) == (0.2, 0.8)
    assert settings.use_smart_padding


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASK_THRESHOLD", "")
    monkeypatch.setenv("DEBUG_DIR", "")
    assert Settings().mask_threshold is None
    assert Settings().debug_dir is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MASK_THRESHOLD", "0"),
        ("MASK_THRESHOLD", "nan"),
        ("MASK_THRESHOLD_MIN", "0.9"),
        ("MIN_OBJECT_COVERAGE", "0.97"),
    ],
)
def test_invalid_numbers_are_refused_at_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


class Fixed:
    name = "fixed"

    def __init__(self, saliency: np.ndarray, notes: tuple[str, ...] = ()) -> None:
        self.guess = FirstGuess(saliency, notes)

    def predict(self, image: np.ndarray) -> FirstGuess:
        return self.guess


def engines_with(segmenter: Fixed, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Engines:
    engines = Engines(Settings(**settings))
    monkeypatch.setattr(engines, "segmenter", lambda name: segmenter)
    return engines


def test_a_fixed_threshold_decides_what_is_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = toy()
    weak = Fixed(mask.astype(np.float32) * np.float32(0.6))
    found = [
        cut_out(
            image,
            MaskOptions(quality="fast"),
            engines=engines_with(weak, monkeypatch, checkpoints_dir=tmp_path, mask_threshold=level),
        )
        for level in (0.5, 0.8)
    ]
    assert found[0].alpha.max() > 0.5
    assert found[1].alpha.max() == 0


def test_a_segmenters_doubts_are_in_the_scorecard_and_an_own_mask_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask = toy()
    engines = engines_with(Fixed(mask.astype(np.float32), ("Cluttered.",)), monkeypatch, checkpoints_dir=tmp_path)
    card = cut_out(image, engines=engines).report.mask
    assert (card.grade, card.advice[0]) == ("C", "Cluttered.")
    own = np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255
    card = cut_out(image, mask=own, engines=engines).report.mask
    assert card.grade == "A"
    assert "Cluttered." not in card.advice


def test_smart_padding_is_carried_to_the_framing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = toy()
    plain, smart = (
        reconstruct(
            image,
            engines=engines_with(
                Fixed(mask.astype(np.float32)), monkeypatch, checkpoints_dir=tmp_path, use_smart_padding=use
            ),
        ).framed
        for use in (False, True)
    )
    assert plain.box == smart.box
    assert plain.corner != smart.corner
