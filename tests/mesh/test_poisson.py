"""The solver gives the known answers, exactly and from a coarser start."""

import numpy as np
import pytest

from backend.mesh.poisson import domain_of, extend_inward, solve_poisson


def disc(radius=30.3, side=81, centre=(39.6, 41.2)):
    rows, columns = np.mgrid[0:side, 0:side]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    # A field that falls by one a cell, so that its level line is the circle itself.
    return np.clip(radius - distance, -1, 1).astype(np.float32) * 0.5 + 0.5, distance, radius


def test_the_root_over_a_disc_is_a_half_ball_to_the_rim():
    field, distance, radius = disc()
    domain = domain_of(field, 0.5)
    squared = np.where(domain.inside, radius**2 - distance**2, 0)
    # A node nearer to the contour than 0.05 of a cell is taken to be that far: that much of the slope 2 r at most.
    assert np.abs(solve_poisson(domain, 4.0) - squared).max() < 0.08 * 2 * radius


def test_a_poor_start_is_improved_to_the_exact_answer():
    field, _, radius = disc()
    domain = domain_of(field, 0.5)
    exact = solve_poisson(domain, 4.0)
    rough = exact * 0.9 + np.where(domain.inside, 5.0, 0.0)
    assert np.abs(solve_poisson(domain, 4.0, start=rough) - exact).max() < 0.01 * radius**2


def test_nothing_flows_across_an_open_side():
    field = np.zeros((60, 41), np.float32)
    field[1:-1, 5:36] = 1.0
    rows = np.mgrid[0:60, 0:41][0]
    domain = domain_of(field, 0.5, ((2, rows < 3), (3, rows > 56)))
    answer = solve_poisson(domain, 4.0)
    assert np.abs(answer[1:-1] - answer[30]).max() < 1e-6  # open above and below: the same in every row
    assert answer[30].max() == pytest.approx(2 * 15.5**2, rel=0.01)  # 2 (w² − x²) over a strip


def test_values_at_the_rim_are_extended_to_a_plane():
    field, _, _ = disc()
    rows, columns = np.mgrid[0:81, 0:81].astype(float)
    domain = domain_of(np.where(field > 0.5, 1.0, 0.0).astype(np.float32), 0.5)
    rim = np.where(domain.inside, 0.0, rows * 0.3 - columns)[..., None]
    # The contour is half a cell from the nodes, and takes the value of the node behind it.
    assert np.abs(extend_inward(domain, rim)[..., 0] - (rows * 0.3 - columns)).max() < 0.8
