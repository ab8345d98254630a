"""What the refiner learns from, and what it does before it has learnt anything."""

import numpy as np
import torch

from training.refiner.network import Refiner, doubted
from training.refiner.samples import Example, sample
from training.refiner.train import alpha_loss


def example(exact: bool) -> Example:
    alpha = np.zeros((90, 120), np.uint8)
    alpha[20:70, 30:90] = 255
    image = np.full((90, 120, 3), 60, np.uint8)
    image[alpha > 0] = 200
    return Example(image, alpha, [np.roll(alpha, 3, axis=1)], exact)


def test_before_training_the_coarse_alpha_comes_back() -> None:
    inputs = torch.rand(1, 4, 32, 48, generator=torch.Generator().manual_seed(1))
    inputs[:, 3] = inputs[:, 3].clamp(0.01, 0.99)
    with torch.no_grad():
        assert torch.allclose(Refiner().eval()(inputs), inputs[:, 3:], atol=1e-5)


def test_only_what_is_near_an_unsure_pixel_is_open_to_change() -> None:
    coarse = torch.zeros(1, 1, 64, 64)
    assert not doubted(coarse).any()
    coarse[..., 32:] = 1
    open_to = doubted(coarse)[0, 0, 30]
    assert open_to[32] == 1 and open_to[5] == 0 and open_to[60] == 0


def test_a_sample_is_the_same_for_the_same_seed_and_of_the_side_asked() -> None:
    for exact in (True, False):
        for seed in range(6):
            first, again = (sample(np.random.default_rng(seed), example(exact), 32) for _ in range(2))
            assert np.array_equal(first.inputs, again.inputs) and np.array_equal(first.alpha, again.alpha)
            assert first.inputs.shape == (4, 32, 32) and first.alpha.shape == first.weight.shape == (32, 32)
            assert first.inputs.dtype == first.alpha.dtype == first.weight.dtype == np.float32
            assert first.inputs.min() >= 0 and first.inputs.max() <= 1 + 1e-5  # rounding


def test_a_hand_made_outline_teaches_less_at_its_edge_and_an_exact_one_more() -> None:
    photo, exact = (sample(np.random.default_rng(4), example(kind), 64) for kind in (False, True))
    assert photo.weight.min() < 1 and set(np.unique(photo.alpha)) <= {0.0, 1.0}
    assert exact.weight.min() >= 1


def test_the_loss_is_least_for_the_truth() -> None:
    alpha = torch.zeros(1, 1, 16, 16)
    alpha[..., 8:] = 1
    weight = torch.ones_like(alpha)
    right, soft, wrong = (
        alpha_loss(logits, alpha, weight) for logits in (20 * alpha - 10, 2 * alpha - 1, 10 - 20 * alpha)
    )
    assert right < soft < wrong
