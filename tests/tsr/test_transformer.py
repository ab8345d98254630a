import torch

from tests.helpers.stand_in_weights import difference


def test_triplane_tokens_are_the_published_ones(small):
    image_tokens = torch.from_numpy(small.numbers["image_tokens"])[:, 0].transpose(1, 2)
    assert difference(small.model.transformer(image_tokens), small.numbers["triplane_tokens"]) < 2e-5


def test_each_picture_of_a_batch_gets_its_own_tokens(small):
    first, second = torch.randn(2, 1, 17, 48)
    together = small.model.transformer(torch.stack([first[0], second[0]]))
    torch.testing.assert_close(together[:1], small.model.transformer(first), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together[1:], small.model.transformer(second), atol=1e-5, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3
