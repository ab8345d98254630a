import pytest
import torch

from tsr.attention import BLOCK_ROWS, attend


def slow_attention(query, key, value):
    weights = torch.softmax(query.double() @ key.double().transpose(-1, -2) / query.shape[-1] ** 0.5, dim=-1)
    return (weights @ value.double()).transpose(1, 2).flatten(2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("tokens", [1, BLOCK_ROWS, BLOCK_ROWS + 7])
def test_attention_is_the_textbook_sum_in_every_precision(dtype, tolerance, tokens):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, n, 16).to(dtype) for n in (tokens, 40, 40))
    mixed = attend(query, key, value)
    assert mixed.dtype == dtype
    torch.testing.assert_close(mixed.double(), slow_attention(query, key, value), atol=tolerance, rtol=tolerance)


def test_attention_in_blocks_leaves_its_input_alone():
    query = torch.randn(1, 1, 8, 4).bfloat16()
    before = query.clone()
    attend(query, query, query)
    assert torch.equal(query, before)
