import torch
from torch.nn import functional as F

from tests.helpers.stand_in_weights import difference, ring_picture
from tsr.image_encoder import resize_positions


def test_image_tokens_are_the_published_ones(small):
    picture = F.interpolate(ring_picture(), (64, 64), mode="bilinear", antialias=True)
    tokens = small.model.image_encoder(picture)
    assert difference(tokens.transpose(1, 2).unsqueeze(1), small.numbers["image_tokens"]) < 2e-5


def test_positions_on_the_trained_grid_are_left_alone():
    positions = torch.randn(1, 1 + 9, 4)
    assert resize_positions(positions, 3, 3) is positions


def test_resized_positions_keep_the_class_token_and_a_constant():
    positions = torch.ones(1, 1 + 9, 4)
    positions[:, 0] = 7
    resized = resize_positions(positions, 3, 5)
    assert resized.shape == (1, 26, 4)
    assert (resized[:, 0] == 7).all()
    torch.testing.assert_close(resized[:, 1:], torch.ones(1, 25, 4))
