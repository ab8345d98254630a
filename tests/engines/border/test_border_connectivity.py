"""Areas connected to the frame are background; the judgement is as fine as the background is even."""

import numpy as np

from backend.engines.border.border_connectivity import measure_connectivity
from backend.engines.border.superpixel_saliency import solve_saliency
from backend.engines.border.superpixels import split_superpixels


def scene(difference: float, noise: float, touching: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:160, 0:200]
    mask = np.hypot(y - (125 if touching else 80), x - 100) < 45
    lab = np.full((160, 200, 3), (75.0, 0.0, 0.0)) + noise * rng.standard_normal((160, 200, 1))
    lab[mask, 0] -= difference
    return lab.astype(np.float32), mask


def mean_saliency(lab: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    patches = split_superpixels(lab, 300)
    saliency = solve_saliency(patches, measure_connectivity(patches))[patches.labels]
    return float(saliency[mask].mean()), float(saliency[~mask].mean())


def test_an_object_in_the_middle_is_object_and_the_rest_is_background() -> None:
    inside, outside = mean_saliency(*scene(difference=40, noise=1))
    assert inside > 0.85
    assert outside < 0.1


def test_an_object_cut_off_by_the_frame_is_still_object() -> None:
    inside, outside = mean_saliency(*scene(difference=40, noise=1, touching=True))
    assert inside > 0.6
    assert outside < 0.15


def test_a_pale_object_counts_on_a_calm_ground() -> None:
    inside, outside = mean_saliency(*scene(difference=6, noise=0.3))
    assert inside > 0.6
    assert outside < 0.1


def test_a_blank_wall_has_no_object() -> None:
    lab, mask = scene(difference=0, noise=1)
    assert max(mean_saliency(lab, mask)) < 0.2


def test_evidence_stays_between_zero_and_one() -> None:
    link = measure_connectivity(split_superpixels(scene(difference=40, noise=8)[0], 300))
    for evidence in (link.background, link.contrast):
        assert evidence.min() >= 0
        assert evidence.max() <= 1
