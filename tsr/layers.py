"""The feed-forward layers of the encoder and the transformer: a product, an activation, a product."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEED_FORWARD_FACTOR = 4
CPU_TOKENS = 512  # at a time through GEGLU: the widened tokens (8 MB in bfloat16) stay in the cache


class GeluLinear(nn.Linear):
    """A linear layer followed by the GELU of the error function, not of its tanh approximation."""

    def forward(self, features: Tensor) -> Tensor:
        return F.gelu(super().forward(features))


class FeedForward(nn.Module):
    """GEGLU (Shazeer 2020): widen twice, gate the first half by the GELU of the second, narrow again."""

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, 2 * FEED_FORWARD_FACTOR * channels, dtype=dtype)
        self.contract = nn.Linear(FEED_FORWARD_FACTOR * channels, channels, dtype=dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, N, C) of the layer's precision, from tokens of the same shape."""
        if tokens.device.type != "cpu":
            return self._gated(tokens)
        return torch.cat([self._gated(part) for part in torch.split(tokens, CPU_TOKENS, dim=1)], dim=1)

    def _gated(self, tokens: Tensor) -> Tensor:
        value, gate = self.expand(tokens).chunk(2, dim=-1)
        return self.contract(value * F.gelu(gate))  # type: ignore[no-any-return]
