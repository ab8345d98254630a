"""The handling of a picture that is unlike the others."""

from typing import Any

import numpy as np
import pytest

from backend.contract.options import MaskOptions, MatteOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.folders.batch import resize_plan
from backend.folders.batch.outlier_handling import Handling, handle
from backend.folders.batch.resize_plan import find_mask, scale_of
from backend.images.image_io import Picture
from backend.pipeline import Cutout
from tests.helpers.drawn import iou, toy


@pytest.mark.parametrize(
    ("findings", "exif_expected", "small", "handling"),
    [
        (("large-picture",), False, "enlarge", Handling(("large-picture",), True, "reduce")),
        (("small-picture",), False, "enlarge", Handling(("small-picture",), True, "enlarge")),
        (("small-picture",), False, "refuse", Handling(("small-picture",), True, "refuse")),
        (("odd-shape",), False, "refuse", Handling(("odd-shape",), True, "")),
        (("nearly-uniform", "no-exif"), False, "enlarge", Handling(("nearly-uniform", "no-exif"), True, "")),
        (("no-exif",), True, "enlarge", Handling(("no-exif",), True, "")),
        (("no-exif",), False, "enlarge", Handling(("no-exif",), False, "")),
    ],
)
def test_each_finding_has_its_way(
    findings: tuple[str, ...], exif_expected: bool, small: str, handling: Handling
) -> None:
    assert handle(findings, exif_expected, small) == handling  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(10, 10), (30, 400), (700, 500), (2000, 3000), (1, 9000)])
def test_a_picture_is_only_reduced_or_only_enlarged_and_never_without_bound(size: tuple[int, int]) -> None:
    picture = Picture(np.zeros((*size, 3), np.uint8), None, "png", size)
    options = MaskOptions()
    assert scale_of(picture, "", options) == 1
    assert max(size) * scale_of(picture, "reduce", options) <= max(1600, max(size) * 1.0)
    assert scale_of(picture, "reduce", options) <= 1 <= scale_of(picture, "enlarge", options) <= 8


def test_a_document_and_what_has_its_own_mask_are_done_at_their_own_size() -> None:
    image, alpha = np.zeros((60, 80, 3), np.uint8), np.ones((60, 80), np.float32)
    assert scale_of(Picture(image, None, "png", (60, 80)), "enlarge", MaskOptions(mode="document")) == 1
    assert scale_of(Picture(image, alpha, "png", (60, 80)), "enlarge", MaskOptions()) == 1
    assert scale_of(Picture(image, alpha, "png", (60, 80)), "enlarge", MaskOptions(use_alpha=False)) > 1


def test_every_option_that_decides_the_matte_counts_at_another_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[MaskOptions] = []
    real = resize_plan.cut_out

    def heard(picture: Picture, options: MaskOptions, **others: Any) -> Cutout:
        asked.append(options)
        return real(picture, options.model_copy(update={"model": "auto"}), **others)

    monkeypatch.setattr("backend.folders.batch.resize_plan.cut_out", heard)
    given = {"model": "maskrcnn", "quality": "fast", "multi_scale": True, "use_alpha": False, "score_threshold": 0.7,
             "classes": "dog", "instances": "all", "depth_percentile": 20.0, "cloth": "upper", "points": [],
             "matting": "own", "holes": "keep", "refiner": "classic", "roi": None}  # fmt: skip
    assert set(given) == set(MatteOptions.model_fields) - {"strategy", "feather_px", "debug", "refine"}
    image = toy(80, 60)[0]
    find_mask(Picture(image, None, "png", (60, 80)), 2.0, MeshOptions(**given), Engines(Settings()), Trace())
    assert asked[0].model_dump(include=set(given)) == given


@pytest.mark.parametrize(("size", "scale"), [((640, 480), 0.5), ((80, 60), 4.0)])
def test_a_mask_found_at_another_size_comes_back_in_its_place(size: tuple[int, int], scale: float) -> None:
    image, truth = toy(*size)
    picture = Picture(image, None, "png", image.shape[:2])
    cleaned, mask, report = find_mask(picture, scale, MaskOptions(quality="fast"), Engines(Settings()), Trace())
    assert mask.alpha is not None
    assert iou(mask.alpha >= 0.5, truth) > 0.95
    assert cleaned.image.shape == image.shape
    assert report.mask.found
