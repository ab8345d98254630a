"""What is done with a picture that is unlike the others."""

import numpy as np
import pytest
from drawn import iou, toy

from backend.batch.odd_ones import Handling, handle
from backend.batch.treatment import find_mask, scale_of
from backend.engines import Engines
from backend.image_io import Picture
from backend.schemas import MaskOptions
from backend.settings import Settings
from backend.trace import Trace


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
    assert scale_of(picture, "") == 1
    assert max(size) * scale_of(picture, "reduce") <= max(1600, max(size) * 1.0)
    assert scale_of(picture, "reduce") <= 1 <= scale_of(picture, "enlarge") <= 8


@pytest.mark.parametrize(("size", "scale"), [((640, 480), 0.5), ((80, 60), 4.0)])
def test_a_mask_found_at_another_size_comes_back_in_its_place(size: tuple[int, int], scale: float) -> None:
    image, truth = toy(*size)
    picture = Picture(image, None, "png", image.shape[:2])
    cleaned, mask, product = find_mask(picture, scale, MaskOptions(quality="fast"), Engines(Settings()), Trace())
    assert mask.alpha is not None
    assert iou(mask.alpha >= 0.5, truth) > 0.95
    assert cleaned.image.shape == image.shape
    assert product.report["mask"]["found"]
