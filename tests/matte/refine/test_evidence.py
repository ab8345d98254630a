"""What a first guess's own figures cost, and what they say."""

import numpy as np
import pytest

from backend.matte.refine.evidence import Evidence, losses, moved_share
from backend.matte.refine.scorecard import score_matte


def points(evidence: Evidence) -> float:
    return sum(loss for loss, _ in losses(evidence))


def test_a_sure_guess_that_nobody_disputes_costs_nothing() -> None:
    assert losses(Evidence(0.0)) == [] and losses(Evidence(0.0, 0.0)) == []


@pytest.mark.parametrize("field", ["unsure", "doubted", "left_out", "moved"])
def test_more_of_each_figure_costs_more_and_is_said(field: str) -> None:
    calm = {"doubted": None if field == "unsure" else 0.0, "unsure": 0.0, "left_out": 0.0, "moved": 0.0}
    some, much = (Evidence(**{**calm, field: value}) for value in (0.1, 0.3))
    assert 0 < points(some) < points(much)
    ((_, sentence),) = losses(some)
    assert "10%" in sentence


def test_the_largest_loss_is_said_first() -> None:
    found = [loss for loss, _ in losses(Evidence(0.05, 0.6, 0.1, moved=0.1))]
    assert found == sorted(found, reverse=True) and len(found) == 3


def test_glass_that_was_kept_opaque_gets_no_a() -> None:
    alpha = np.zeros((300, 300), np.float32)
    alpha[100:200, 100:200] = 1
    card = score_matte(alpha, evidence=Evidence(0.0, see_through=0.25))
    assert card.grade == "B" and card.advice == ("25% of the object may be glass; it was kept opaque.",)


def test_what_a_network_is_unsure_of_counts_only_where_nobody_else_was_asked() -> None:
    assert points(Evidence(0.3)) > 0 == points(Evidence(0.3, 0.0))


def test_the_moved_share_is_the_part_of_both_masks_that_is_in_one_of_them() -> None:
    before = np.zeros((100, 200), np.float32)
    assert moved_share(before, before) == 0
    before[20:60, 20:60] = 0.8
    after = np.where(before > 0, np.float32(1), np.float32(0))
    assert moved_share(before, after) == 0
    after[20:60, 60:100] = 1
    assert moved_share(before, after) == pytest.approx(0.5)
    with pytest.raises(ValueError):
        moved_share(before, after[1:])


def test_the_scorecard_takes_the_points_and_gives_the_sentences() -> None:
    alpha = np.zeros((300, 300), np.float32)
    alpha[100:200, 100:200] = 1
    clean, doubted = score_matte(alpha), score_matte(alpha, evidence=Evidence(0.1, 0.5, moved=0.1))
    assert clean.grade == "A" and doubted.points < clean.points
    assert len(doubted.advice) == 2 and any("Second opinions" in sentence for sentence in doubted.advice)


def test_what_may_be_a_shadow_or_an_opening_is_told_and_gets_no_a() -> None:
    alpha = np.zeros((300, 300), np.float32)
    alpha[100:200, 100:200] = 1
    for evidence in (Evidence(0.0, cast=0.2), Evidence(0.0, enclosed=0.1)):
        ((loss, sentence),) = losses(evidence)
        assert loss > 15 and "may be" in sentence
        assert score_matte(alpha, evidence=evidence).grade == "B"
    assert points(Evidence(0.0, enclosed=0.02)) < points(Evidence(0.0, enclosed=0.08))


def test_a_guess_by_colours_loses_for_colours_that_mingle_unless_a_network_was_asked() -> None:
    apart, mingled = Evidence(0.0, separation=1.0), Evidence(0.0, separation=0.4)
    assert points(apart) < points(mingled)
    assert any("colours" in sentence for _, sentence in losses(mingled))
    assert points(Evidence(0.0, 0.05, separation=0.4)) == 0
    assert points(Evidence(0.0, 0.6, separation=1.0)) > points(Evidence(0.0, 0.6))
