"""The front is the photo, the rim is the object's own colour, and the back is the softened front."""

import numpy as np
import pytest

from backend.mesh.photo_texture import make_atlas, sure_pixels
from backend.mesh.sampling import texture_colors

SIDE = 400
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE] + 0.5
RADIUS = np.hypot(ROWS - 200, COLUMNS - 200)
DISC = (RADIUS < 170).astype(np.float32)
BLUE, BROWN, WHITE = (20, 40, 250), (140, 80, 30), (250, 250, 250)


def scene():
    """A brown ball with a white face in its middle, on a blue background that a careless matte holds two pixels of."""
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    image[:] = BLUE
    image[RADIUS < 168.5] = BROWN
    image[RADIUS < 60] = WHITE
    return image


def colors(atlas, across, down, back):
    places = atlas.uv(np.atleast_1d(np.float64(across)), np.atleast_1d(np.float64(down)), back)
    return texture_colors(atlas.image, places)


def test_the_front_is_the_photo_to_the_pixel():
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    atlas = make_atlas(image, DISC)
    inside = RADIUS < 160
    seen = colors(atlas, (COLUMNS / SIDE)[inside], (ROWS / SIDE)[inside], back=False)
    assert np.abs(seen - image[inside]).max() <= 6  # cv2.remap places a sample to 1/32 of a texel


def test_no_background_shows_at_the_rim():
    atlas = make_atlas(scene(), DISC)
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (166, 168, 170, 171):
        for back in (False, True):
            rim = colors(atlas, 0.5 + radius * np.cos(angle) / SIDE, 0.5 + radius * np.sin(angle) / SIDE, back)
            assert np.abs(rim - BROWN).max() < 30


def test_the_back_is_the_softened_front():
    atlas = make_atlas(scene(), DISC)
    for across, color in ((0.5, WHITE), (0.5 + 110 / SIDE, BROWN)):
        for back in (False, True):
            assert np.abs(colors(atlas, across, 0.5, back)[0] - color).max() < 8
    edge = 0.5 + np.linspace(57, 63, 13) / SIDE
    steps = [np.abs(np.diff(colors(atlas, edge, np.full(13, 0.5), back), axis=0)).max() for back in (False, True)]
    assert steps[1] < 0.5 * steps[0]


def test_a_known_back_is_shown_inside():
    known = np.full((30, 30, 3), (0, 200, 100), np.uint8)
    atlas = make_atlas(scene(), DISC, known)
    assert np.abs(colors(atlas, 0.5, 0.5, back=True)[0] - (0, 200, 100)).max() < 3
    assert np.abs(colors(atlas, 0.5, 0.5, back=False)[0] - WHITE).max() < 3


def test_what_was_seen_at_a_grazing_angle_gets_the_colours_beside_it():
    image = scene()
    image[(RADIUS > 150) & (RADIUS < 168.5)] = (0, 255, 0)
    facing = np.sqrt(np.clip(1 - (RADIUS / 170) ** 2, 0, 1)).astype(np.float32)  # of a ball
    steep = np.where(RADIUS < 140, facing, 0.05).astype(np.float32)
    streaked, filled = make_atlas(image, DISC, None, facing), make_atlas(image, DISC, None, steep)
    assert np.abs(colors(streaked, 0.5 + 155 / SIDE, 0.5, back=False)[0] - (0, 255, 0)).max() < 8
    assert np.abs(colors(filled, 0.5 + 155 / SIDE, 0.5, back=False)[0] - BROWN).max() < 8
    inside = RADIUS < 130  # what faces the camera stays the photo
    seen = colors(filled, (COLUMNS / SIDE)[inside], (ROWS / SIDE)[inside], back=False)
    assert np.abs(seen - image[inside]).max() <= 6


def test_front_and_back_meet_in_the_same_colour():
    image = np.stack([ROWS / SIDE * 255, COLUMNS / SIDE * 255, 255 - ROWS / SIDE * 255], axis=-1).astype(np.uint8)
    atlas = make_atlas(image, DISC)
    angle = np.linspace(0, 2 * np.pi, 100)
    place = 0.5 + 170 * np.cos(angle) / SIDE, 0.5 + 170 * np.sin(angle) / SIDE
    assert np.abs(colors(atlas, *place, back=False) - colors(atlas, *place, back=True)).max() < 16


def test_thin_parts_and_glass_keep_their_own_colour():
    alpha = np.zeros((SIDE, SIDE), np.float32)
    alpha[100:300, 100:101] = 1.0  # a hair
    alpha[150:250, 200:300] = 0.6  # a pane of glass
    alpha[150:160, 200:300] = 1.0  # its frame
    sure = sure_pixels(alpha)
    assert sure[120:280, 100].all() and sure[180:230, 220:280].all()
    assert not sure[alpha == 0].any()


def test_a_large_object_is_brought_to_2048():
    side = 2600
    alpha = np.zeros((side, side), np.float32)
    alpha[100:2500, 1000:1600] = 1.0
    atlas = make_atlas(np.full((side, side, 3), 90, np.uint8), alpha)
    assert atlas.image.shape[0] == 2048 and atlas.image.shape[1] < 2048
    assert np.abs(atlas.image.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 2)])
def test_the_smallest_objects_have_an_atlas(shape):
    alpha = np.zeros((50, 50), np.float32)
    alpha[5 : 5 + shape[0], 5 : 5 + shape[1]] = 1.0
    atlas = make_atlas(np.full((50, 50, 3), 77, np.uint8), alpha)
    assert np.abs(colors(atlas, 5.5 / 50, 5.5 / 50, back=True)[0] - 77).max() <= 1
