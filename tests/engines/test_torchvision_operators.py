"""The stand-ins for torchvision's compiled operators, against loops."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch

from backend.contract.settings import REPOSITORY
from backend.engines.torchvision_operators import HOW_TO_INSTALL, nms, prepare_torchvision, roi_align

HERE = importlib.util.find_spec("torchvision") is not None


def slow_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        x0, y0, x1, y1 = boxes[index]
        for other in kept:
            a0, b0, a1, b1 = boxes[other]
            shared = max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0))
            if shared / ((x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - shared) > threshold:
                break
        else:
            kept.append(int(index))
    return kept


@pytest.mark.parametrize("count", [0, 1, 2, 50, 400])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_nms_keeps_what_its_slow_form_keeps(count: int, threshold: float) -> None:
    random = np.random.default_rng(count)
    corner = random.integers(0, 60, (count, 2))
    boxes = np.concatenate([corner, corner + random.integers(5, 40, (count, 2))], axis=1).astype(np.float64)
    scores = random.integers(0, 30, count) / 30  # some are alike: the first of them goes first
    kept = nms(torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32), threshold)
    assert kept.dtype == torch.int64 and kept.tolist() == slow_nms(boxes, scores, threshold)


def test_nms_beyond_one_block_of_rows_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    corner = random.random((300, 2)) * 50
    boxes = torch.tensor(np.concatenate([corner, corner + 10], axis=1), dtype=torch.float32)
    scores = torch.rand(300, generator=torch.Generator().manual_seed(0))
    whole = nms(boxes, scores, 0.5)
    monkeypatch.setattr("backend.engines.torchvision_operators.ROWS_AT_ONCE", 7)
    assert torch.equal(nms(boxes, scores, 0.5), whole)


def at(plane: np.ndarray, y: float, x: float) -> float:
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    upper = plane[y0, x0] * (1 - x + x0) + plane[y0, x1] * (x - x0)
    lower = plane[y1, x0] * (1 - x + x0) + plane[y1, x1] * (x - x0)
    return float(upper * (1 - y + y0) + lower * (y - y0))


def slow_roi_align(
    features: np.ndarray, rois: np.ndarray, scale: float, rows: int, columns: int, ratio: int, aligned: bool
) -> np.ndarray:
    out = np.zeros((len(rois), features.shape[1], rows, columns))
    offset = 0.5 if aligned else 0.0
    for k, (index, *corners) in enumerate(rois):
        x0, y0, x1, y1 = (value * scale - offset for value in corners)
        width, height = (x1 - x0, y1 - y0) if aligned else (max(x1 - x0, 1.0), max(y1 - y0, 1.0))
        down = ratio if ratio > 0 else int(np.ceil(height / rows))
        across = ratio if ratio > 0 else int(np.ceil(width / columns))
        for c in range(features.shape[1]):
            for i in range(rows):
                for j in range(columns):
                    total = 0.0
                    for p in range(down):
                        for q in range(across):
                            y = y0 + (i + (p + 0.5) / down) * height / rows
                            x = x0 + (j + (q + 0.5) / across) * width / columns
                            total += at(features[int(index), c], y, x)
                    out[k, c, i, j] = total / max(down * across, 1)
    return out


ROIS = [
    [0, 2.0, 3.0, 40.0, 30.0],
    [1, 10.5, 0.25, 22.75, 47.5],
    [0, -30.0, -20.0, 20.0, 10.0],  # partly outside
    [1, 50.0, 40.0, 90.0, 80.0],
    [0, 200.0, 200.0, 240.0, 230.0],  # wholly outside
    [0, 5.0, 5.0, 5.4, 5.2],  # smaller than a pixel
]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [2, 1, 0, -1])
@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_roi_align_equals_its_slow_form(scale: float, ratio: int, aligned: bool) -> None:
    features = np.random.default_rng(0).random((2, 3, 13, 17))
    rois = np.array(ROIS) if scale == 0.25 else np.array(ROIS) * [1, 0.25, 0.25, 0.25, 0.25]
    given = torch.tensor(features, dtype=torch.float32), torch.tensor(rois, dtype=torch.float32)
    ours = roi_align(*given, scale, 3, 4, ratio, aligned)
    assert ours.numpy() == pytest.approx(slow_roi_align(features, rois, scale, 3, 4, ratio, aligned), abs=2e-5)


def test_of_no_regions_nothing_comes_back() -> None:
    assert roi_align(torch.rand(1, 5, 8, 8), torch.zeros(0, 5), 1.0, 7, 7, 2, False).shape == (0, 5, 7, 7)


def test_the_advice_names_the_pinned_version() -> None:
    pinned = (REPOSITORY / "requirements-maskrcnn.txt").read_text().splitlines()[-1]
    assert HOW_TO_INSTALL.split()[-1] == pinned


@pytest.mark.skipif(not HERE, reason="torchvision is not installed (requirements-maskrcnn.txt)")
def test_torchvision_calls_what_is_usable_here() -> None:
    from backend.engines.torchvision_operators import import_detection

    import_detection()
    from torchvision.ops import nms as theirs
    from torchvision.ops import roi_align as their_align

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    assert theirs(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    features = torch.rand(2, 3, 13, 17)
    expected = roi_align(features, torch.tensor(ROIS), 0.25, 3, 4, 2, False)
    assert torch.allclose(their_align(features, torch.tensor(ROIS), (3, 4), 0.25, 2), expected, atol=1e-5)


@pytest.mark.skipif(not HERE, reason="torchvision is not installed (requirements-maskrcnn.txt)")
def test_transformers_can_be_imported_beside_it() -> None:
    """In a process of its own: the order of imports is what this is about."""
    code = (
        "from backend.engines.torchvision_operators import prepare_torchvision; prepare_torchvision()\n"
        "from transformers import DepthAnythingForDepthEstimation"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_torchvision_is_absent_only_where_it_is_not_installed() -> None:
    assert (prepare_torchvision() == "absent") == (not HERE)
