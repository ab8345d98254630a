"""What the refiner learns from, and what it does before it has learnt anything."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.refiner.__main__ import Kept
from training.refiner.network import Refiner, doubted, likeness
from training.refiner.samples import Example, sample
from training.refiner.train import Learner, Plan, alpha_loss, batches, unpacked


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


def test_a_place_is_most_like_the_side_whose_values_it_has() -> None:
    coarse = torch.zeros(1, 1, 8, 8)
    coarse[..., 4:] = 1
    values = torch.cat([coarse, 1 - coarse, torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2))], 1)
    like = likeness(values, coarse)
    assert like.shape == (1, 2, 8, 8) and like.abs().max() <= 1 + 1e-5
    assert (like[:, 0, :, 4:] > like[:, 1, :, 4:]).all() and (like[:, 1, :, :4] > like[:, 0, :, :4]).all()
    assert torch.isfinite(likeness(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))).all()


def test_batches_are_the_same_whoever_makes_them() -> None:
    plan = Plan(5, batch=2, side=32)
    alone, shared = (
        [batch.clone() for batch in batches([example(True)], [example(False)], replace(plan, workers=workers))]
        for workers in (0, 2)
    )
    assert len(alone) == 5 and all(torch.equal(*both) for both in zip(alone, shared, strict=True))
    inputs, alpha, weight = unpacked(alone[0])
    assert inputs.shape == (2, 4, 32, 32) and alpha.shape == weight.shape == (2, 1, 32, 32)
    assert inputs.max() <= 1 and alpha.max() <= 1 and weight.max() > 1


def test_the_loss_falls_while_a_network_learns_and_its_mean_is_kept() -> None:
    plan = Plan(30, batch=2, side=32, rate=1e-2)
    torch.manual_seed(3)
    learner = Learner(Refiner(gated=False), plan, "cpu")
    losses = [learner.learn(*unpacked(batch)) for batch in batches([example(True)], [], plan)]
    assert torch.stack(losses[-5:]).mean() < torch.stack(losses[:5]).mean()
    kept = learner.finished()
    assert not kept.training and not kept.gated
    assert torch.equal(kept.head[2].weight, learner.average["head.2.weight"])


def test_kept_examples_carry_only_answers_that_are_near_the_truth(tmp_path: Path) -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = 255
    for name in ("near", "far"):
        np.save(tmp_path / f"{name}.npy", np.dstack([np.full((40, 40, 3), 90, np.uint8), truth]))
    np.save(tmp_path / "near.u2netp.answer.npy", np.roll(truth, 2, axis=1))
    np.save(tmp_path / "near.u2net.answer.npy", 255 - truth)
    np.save(tmp_path / "far.u2netp.answer.npy", np.roll(truth, 19, axis=0))
    kept = Kept(tmp_path, exact=True)
    assert len(kept) == 1 and len(kept[0].answers) == 1 and np.array_equal(kept[0].alpha, truth)
