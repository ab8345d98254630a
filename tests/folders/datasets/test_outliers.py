"""Robust scores: what they call odd, and what they do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.folders.datasets.outliers import robust_scores

ODD = 3.5


def test_one_odd_value_is_found_among_many() -> None:
    values = np.random.default_rng(0).uniform(800, 1200, 500)
    values[17] = values[17] * 20
    assert np.flatnonzero(np.abs(robust_scores(values)) > ODD).tolist() == [17]


def test_a_third_of_odd_values_does_not_move_the_rest() -> None:
    scores = robust_scores([100.0] * 70 + [101.0] * 20 + [1e6] * 10)
    assert (np.abs(scores[:90]) < 1).all() and (scores[90:] > ODD).all()


def test_a_second_kind_of_a_third_is_not_odd() -> None:
    assert (np.abs(robust_scores([100.0] * 200 + [4000.0] * 100)) < ODD).all()


def test_equal_values_are_not_odd_and_hardly_different_ones_neither() -> None:
    assert (robust_scores([5.0] * 20) == 0).all()
    assert (np.abs(robust_scores([100.0] * 20 + [110.0])) < ODD).all()


@given(st.lists(st.floats(1, 1e9), min_size=1, max_size=40), st.floats(1e-3, 1e3))
def test_a_change_of_unit_changes_no_score(values: list[float], factor: float) -> None:
    assert np.allclose(robust_scores(values), robust_scores(np.array(values) * factor), atol=1e-6)


def test_half_and_double_are_equally_far() -> None:
    scores = robust_scores([50.0, 100.0, 100.0, 100.0, 200.0])
    assert scores[0] == pytest.approx(-scores[-1])


def test_values_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        robust_scores([1.0, 0.0])
    assert robust_scores([]).size == 0
