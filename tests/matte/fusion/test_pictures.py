"""Depth and disagreement in colours."""

import numpy as np

from backend.matte.fusion.pictures import color_depth, color_disagreement


def test_near_is_brighter_than_far_on_the_map(table):
    colors = color_depth(table.seen())
    assert colors.shape == table.image.shape
    assert colors.dtype == np.uint8
    assert colors[-1].astype(int).sum() > colors[90].astype(int).sum()
    assert (color_depth(np.ones((3, 4), np.float32)) == color_depth(np.ones((3, 4), np.float32))[0, 0]).all()


def test_disagreement_is_orange_for_segmentation_blue_for_depth_and_white_elsewhere():
    (orange, white, blue) = color_disagreement(np.array([[-1, 0, 1]], np.float32))[0].astype(int)
    assert orange[0] > orange[1] > orange[2] and blue[2] > blue[1] > blue[0]
    assert (white == 255).all()
