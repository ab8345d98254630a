"""rembg's alpha matting in place of the own edge stage: bounded, named, and never the reason for a failure."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.contract.options import MaskOptions
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.arrays import Alpha, Image
from backend.matte.refine.refine_matte import CLASSIC, refine_matte
from backend.matte.refine.rembg_matting import RembgMattingConfig
from backend.pipeline import cut_out
from tests.helpers.drawn import toy

WITH = replace(CLASSIC["balanced"], rembg_matting=RembgMattingConfig())


def soft_disc(side: int = 240, edge_px: float = 8.0) -> tuple[Image, Alpha]:
    """Return a photo of a disc whose edge is a linear ramp `edge_px` wide, and its alpha."""
    y, x = np.mgrid[0:side, 0:side]
    distance = 0.3 * side - np.hypot(x - side / 2, y - side / 2)
    alpha = np.clip(distance / edge_px + 0.5, 0, 1).astype(np.float32)
    colors = alpha[..., None] * np.array([200, 60, 40]) + (1 - alpha[..., None]) * np.array([60, 120, 160])
    noise = np.random.default_rng(0).normal(0, 2, colors.shape)
    return np.clip(colors + noise, 0, 255).astype(np.uint8), alpha


def test_the_ramp_of_a_soft_edge_comes_back() -> None:
    image, truth = soft_disc()
    trace = Trace()
    matte = refine_matte(image, (truth > 0.5).astype(np.float32), WITH, trace)
    edge = (truth > 0) & (truth < 1)
    assert np.abs(matte.alpha - truth)[edge].mean() < 0.05
    assert np.abs(matte.alpha - truth)[~edge].mean() < 0.01
    assert matte.facts["matting"] == "rembg"
    assert any("rembg's alpha matting made the edge" in note for note in trace.notes)
    assert [stage.name for stage in trace.stages][-1] == "rembg matting"


def test_a_large_photo_is_matted_on_a_bounded_copy_and_carried_up() -> None:
    image, truth = soft_disc(600, edge_px=16.0)
    config = replace(WITH, rembg_matting=RembgMattingConfig(max_side_px=200))
    matte = refine_matte(image, (truth > 0.5).astype(np.float32), config, Trace())
    assert matte.alpha.shape == truth.shape
    assert max(int(matte.facts["matting_height"]), int(matte.facts["matting_width"])) == 200
    assert np.abs(matte.alpha - truth).mean() < 0.02


def test_where_nothing_is_certain_the_own_edge_stage_does_it_and_says_so() -> None:
    image, truth = soft_disc(60)
    saliency = (truth > 0.5).astype(np.float32)
    trace = Trace()
    config = replace(WITH, rembg_matting=RembgMattingConfig(erode_px=99))
    matte = refine_matte(image, saliency, config, trace)
    assert np.array_equal(matte.alpha, refine_matte(image, saliency, CLASSIC["balanced"], Trace()).alpha)
    assert "matting" not in matte.facts and any("our own edge stage" in note for note in trace.notes)


def test_the_option_reaches_the_stage_and_the_notes(tmp_path: Path) -> None:
    image, truth = toy()
    engines = Engines(Settings(checkpoints_dir=tmp_path))

    def notes(options: MaskOptions, mask: Image | None = None) -> str:
        trace = Trace()
        cut_out(image, options, mask=mask, engines=engines, trace=trace)
        return " ".join(trace.notes)

    assert "rembg's alpha matting" in notes(MaskOptions(matting="rembg"))
    assert "rembg" not in notes(MaskOptions())
    own = np.repeat(truth[..., None], 3, axis=2).astype(np.uint8) * np.uint8(255)
    assert "matting=rembg was ignored" in notes(MaskOptions(matting="rembg"), own)


@pytest.mark.parametrize("module", ["backend.matte.subject", "backend.engines.rembg_session", "backend.main"])
def test_rembg_is_imported_when_it_is_asked_for_and_not_before(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.split()
    assert not {"rembg", "numba", "pymatting"} & set(loaded)
