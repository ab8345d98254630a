import cv2
import numpy as np

from backend.images.view import make_view
from backend.matte.refine.edges import Decisions, EdgesConfig, finish_edges
from backend.matte.refine.softness import Softness


def scene(size: int = 900, angle: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """An orange ellipse on blue, antialiased, and its exact alpha."""
    fine = cv2.ellipse(
        np.zeros((size * 2, size * 2), np.uint8), (size, size), (size * 3 // 5, size * 2 // 5), angle, 0, 360, 255, -1
    )
    alpha = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = alpha[..., None] * np.array([220, 130, 30]) + (1 - alpha[..., None]) * np.array([40, 70, 160])
    return image.astype(np.uint8), alpha


def finished(image: np.ndarray, saliency: np.ndarray, side: int, config: EdgesConfig | None = None, **settled):
    view = make_view(image, saliency, (0, 0, image.shape[1], image.shape[0]), side)
    nothing = np.zeros(view.size, bool)
    decisions = {
        "level": 0.5, "mask": view.saliency >= 0.5, "belongs": ~nothing, "changed": nothing, "see_through": nothing,
    } | settled  # fmt: skip
    return finish_edges(image, saliency, view, Decisions(**decisions), config or EdgesConfig())


def test_a_guess_blurred_by_a_small_grid_comes_back_onto_the_edge():
    image, alpha = scene(900, 30)
    coarse = cv2.resize(cv2.resize(alpha, (90, 90), interpolation=cv2.INTER_AREA), (900, 900))
    result = finished(image, coarse, 180)
    assert np.abs(result - alpha).mean() < 0.2 * np.abs(coarse - alpha).mean()


def test_a_hard_edge_is_at_most_a_few_pixels_wide():
    image, alpha = scene()
    result = finished(image, cv2.GaussianBlur(alpha, (0, 0), 12), 225)
    between = np.count_nonzero((result > 0.05) & (result < 0.95))
    length = np.count_nonzero((result[:, 1:] >= 0.5) != (result[:, :-1] >= 0.5))
    assert between < 4 * length


def test_an_exact_guess_is_left_alone():
    image, alpha = scene(400)
    change = np.abs(finished(image, alpha, 512) - alpha)
    assert change.max() < 0.1 and change.mean() < 1e-4


def test_a_constant_guess_stays_constant():
    image, _ = scene(300)
    for value in (0.0, 1.0):
        assert (finished(image, np.full((300, 300), value, np.float32), 512) == value).all()


def test_what_was_left_out_stays_out_with_its_fringe():
    image, alpha = scene(400)
    blob = cv2.GaussianBlur(cv2.circle(np.zeros((400, 400), np.float32), (40, 40), 15, 1.0, -1), (0, 0), 5)
    belongs = np.ones((400, 400), bool)
    belongs[:90, :90] = False
    result = finished(image, np.maximum(alpha, blob), 512, mask=alpha >= 0.5, belongs=belongs)
    assert result[:85, :85].max() == 0


def test_a_changed_decision_is_carried_to_full_size():
    image, alpha = scene(1000)
    wide = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (41, 41)))
    view = make_view(image, alpha, (0, 0, 1000, 1000), 250)
    mask = view.saliency >= 0.5
    result = finished(image, wide, 250, mask=mask, changed=np.ones_like(mask))
    assert np.count_nonzero((result >= 0.5) ^ (alpha >= 0.5)) < 0.1 * np.count_nonzero((wide >= 0.5) ^ (alpha >= 0.5))


def test_see_through_areas_keep_the_guess():
    image, _ = scene(300)
    half = np.full((300, 300), 0.6, np.float32)
    glass = np.ones((300, 300), bool)
    assert np.allclose(finished(image, half, 512, see_through=glass), 0.6)


def test_hair_by_colour_fills_in_what_the_guess_left_open_and_no_more():
    image, _ = scene(300)
    image[:] = 40, 70, 160
    image[::4] = 220, 130, 30  # strands all over
    full = np.ones((300, 300), np.float32)
    front, back = np.full_like(image, (220, 130, 30), np.float32), np.full_like(image, (40, 70, 160), np.float32)
    hair = Softness(full, front, back)
    unsure = finished(image, 0.55 * full, 512, softness=hair)
    assert (unsure[::4] == 1).all() and (unsure[1::4] == 0).all()
    assert (finished(image, 0.8 * full, 512, softness=hair) == 1).all()
    assert (finished(image, 0.2 * full, 512, softness=hair) == 0).all()


def test_tiles_leave_no_seams():
    image, alpha = scene(1100, 20)
    coarse = cv2.GaussianBlur(alpha, (0, 0), 6)
    whole = finished(image, coarse, 512)
    shifted = finished(image[40:, 70:].copy(), coarse[40:, 70:].copy(), 512)
    assert np.abs(whole[40:, 70:] - shifted).mean() < 2e-3


def test_the_opacity_of_a_half_covered_pixel_follows_its_colour():
    """A slanted edge between two plain colours; the guess is a hard mask, so only the image knows the coverage."""
    fine = cv2.fillPoly(np.zeros((480, 480), np.uint8), [np.array([[100, 60], [390, 130], [330, 420], [60, 340]])], 255)
    alpha = cv2.resize(fine, (120, 120), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = np.rint(alpha[..., None] * [200, 40, 30] + (1 - alpha[..., None]) * [60, 90, 200]).astype(np.uint8)
    guess = (alpha >= 0.5).astype(np.float32)
    wobble = np.clip(cv2.GaussianBlur(guess, (0, 0), 1.0), 0, 1)  # no crisp guess, which would be taken as it is
    result = finished(image, wobble, 512)
    edge = (alpha > 0.1) & (alpha < 0.9)
    assert np.abs(result - alpha)[edge].mean() < 0.06 < np.abs(wobble - alpha)[edge].mean()
