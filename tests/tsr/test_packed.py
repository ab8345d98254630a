import pytest
import torch
from torch import nn

from tsr.device import cpu_multiplies_bfloat16
from tsr.layers import CPU_TOKENS, FeedForward, GeluLinear
from tsr.packed import PackedFeedForward, PackedLinear, pack

pytestmark = pytest.mark.skipif(not cpu_multiplies_bfloat16(), reason="this CPU has no bfloat16 products of its own")


def close(packed: torch.Tensor, plain: torch.Tensor) -> bool:
    return packed.shape == plain.shape and torch.allclose(packed.float(), plain.float(), atol=0.03, rtol=0.03)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tokens", [1, 17, CPU_TOKENS + 3])
def test_a_packed_layer_computes_what_the_plain_one_does(bias, tokens):
    torch.manual_seed(0)
    holder = nn.Sequential(nn.Linear(48, 64, bias=bias, dtype=torch.bfloat16)).requires_grad_(False)
    features = torch.randn(2, tokens, 48).bfloat16()
    plain = holder(features)
    pack(holder)
    assert isinstance(holder[0], PackedLinear)
    assert close(holder(features), plain)


def test_packing_keeps_the_activation():
    torch.manual_seed(0)
    holder = nn.Sequential(GeluLinear(48, 64, dtype=torch.bfloat16)).requires_grad_(False)
    features = torch.randn(1, 40, 48).bfloat16()
    plain = holder(features)
    pack(holder)
    assert plain.min() > -0.2  # a GELU's values
    assert close(holder(features), plain)


@pytest.mark.parametrize("tokens", [5, CPU_TOKENS, CPU_TOKENS + 3])
def test_a_packed_feed_forward_gates_the_right_half(tokens):
    torch.manual_seed(0)
    holder = nn.Sequential(FeedForward(32, torch.bfloat16)).requires_grad_(False)
    features = torch.randn(2, tokens, 32).bfloat16()
    plain = holder(features)
    pack(holder)
    assert isinstance(holder[0], PackedFeedForward)
    assert plain.abs().max() > 0.2
    assert close(holder(features), plain)


def test_what_is_not_bfloat16_is_left_alone():
    holder = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    before = list(holder)
    pack(holder)
    assert list(holder) == before
