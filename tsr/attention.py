"""Scaled dot-product attention, and the two layers built on it.

In: tokens (B, N, C) in the layer's precision. Out: tokens of the same shape and precision.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Queries at a time. Fewer would keep the scores in a core's own cache, and cost more meetings of the threads than that
# saves: on two cores a whole encode took 10.4 s with 256, 8.9 s with 512, 8.7 s with 1024 and 9.1 s with 1536.
BLOCK_ROWS = 1024


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(query · keyᵀ / √D) · value as (B, N, heads · D).

    query is (B, heads, N, D); key and value are (B, heads, M, D). Bfloat16 on a CPU goes another way to the same
    sums: there the fused kernel gains nothing over float32, plain products of one head at a time do.
    """
    if query.dtype == torch.bfloat16 and query.device.type == "cpu":
        return _attend_in_blocks(query, key, value)
    mixed = F.scaled_dot_product_attention(query, key, value)  # (B, heads, N, D)
    return mixed.transpose(1, 2).flatten(2)


def _attend_in_blocks(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    batch, heads, tokens, size = query.shape
    mixed = query.new_empty(batch, tokens, heads * size)
    query = (query * size**-0.5).contiguous()  # exact where the root is a power of two, as in the published model
    key, value = key.contiguous(), value.contiguous()
    for one in range(batch):
        for head in range(heads):
            keys, values = key[one, head].T, value[one, head]  # (D, M), (M, D)
            columns = mixed[one, :, head * size : (head + 1) * size]
            for start in range(0, tokens, BLOCK_ROWS):
                scores = query[one, head, start : start + BLOCK_ROWS] @ keys
                columns[start : start + BLOCK_ROWS] = torch.softmax(scores, dim=-1) @ values
    return mixed


def _split_heads(tokens: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    batch, count, width = tokens.shape
    split = tokens.view(batch, count, parts, heads, width // (parts * heads))
    return split.permute(2, 0, 3, 1, 4).unbind(0)  # parts × (B, heads, N, D)


class SelfAttention(nn.Module):
    """Every token looks at every token; queries, keys and values come from one product."""

    def __init__(self, channels: int, heads: int, head_size: int, *, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(channels, 3 * heads * head_size, bias=bias, dtype=dtype)
        self.to_out = nn.Linear(heads * head_size, channels, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = _split_heads(self.to_qkv(tokens), 3, self.heads)
        return self.to_out(attend(query, key, value))  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """Every token looks at every token of another set, `context` (B, M, context_channels)."""

    def __init__(self, channels: int, context_channels: int, heads: int, head_size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, heads * head_size, bias=False, dtype=dtype)
        self.to_kv = nn.Linear(context_channels, 2 * heads * head_size, bias=False, dtype=dtype)
        self.to_out = nn.Linear(heads * head_size, channels, dtype=dtype)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        (query,) = _split_heads(self.to_q(tokens), 1, self.heads)
        key, value = _split_heads(self.to_kv(context), 2, self.heads)
        return self.to_out(attend(query, key, value))  # type: ignore[no-any-return]
