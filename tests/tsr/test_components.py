"""Floaters go, by area, and the rest stays in order."""

import torch

from tsr.components import drop_small_components

BIG = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
SMALL = [[5.0, 0.0, 0.0], [5.05, 0.0, 0.0], [5.0, 0.05, 0.0]]  # a thousandth of the big one's area
VERTICES = torch.tensor([*SMALL, *BIG])
FACES = torch.tensor([[0, 1, 2], [3, 4, 5], [4, 6, 5]])


def test_a_component_below_the_share_goes_with_its_vertices() -> None:
    vertices, faces, dropped = drop_small_components(VERTICES, FACES, 0.01)
    assert dropped == 1
    assert torch.equal(vertices, torch.tensor(BIG))
    assert torch.equal(faces, torch.tensor([[0, 1, 2], [1, 3, 2]]))


def test_a_component_above_the_share_stays() -> None:
    vertices, faces, dropped = drop_small_components(VERTICES, FACES, 0.001)
    assert dropped == 0 and torch.equal(vertices, VERTICES) and torch.equal(faces, FACES)


def test_nothing_goes_from_nothing() -> None:
    vertices, faces, dropped = drop_small_components(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64), 0.01)
    assert dropped == 0 and len(vertices) == len(faces) == 0
