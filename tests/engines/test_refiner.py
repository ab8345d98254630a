"""The learned refiner as a network: what goes in, what comes out, what a broken file says."""

from pathlib import Path

import numpy as np
import pytest

from backend.contract.errors import ModelUnavailableError
from backend.engines.refiner import WEIGHTS, Refiner, open_refiner
from backend.matte.refine.learned import STRIDE

MOST_BYTES = 6_000_000


def inputs(pictures: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).random((pictures, 4, height, width), np.float32)


@pytest.mark.parametrize("size", [(STRIDE, STRIDE), (64, 112)])
def test_any_number_of_any_size_in_steps_of_the_stride(size: tuple[int, int]) -> None:
    alpha = open_refiner()(inputs(3, *size))
    assert alpha.shape == (3, *size) and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1


def test_a_picture_has_one_answer_in_whatever_company() -> None:
    batch = inputs(3, 64, 64)
    together = open_refiner()(batch)
    alone = open_refiner()(batch[1:2])
    assert np.allclose(together[1], alone[0], atol=1e-4)


def test_it_is_opened_once() -> None:
    assert open_refiner() is open_refiner()


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= MOST_BYTES


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "refiner.onnx"
    path.write_bytes(WEIGHTS.read_bytes()[:10_000])
    with pytest.raises(ModelUnavailableError, match="refiner"):
        Refiner(path)
