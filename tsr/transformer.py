"""The triplane transformer: learned triplane tokens look at the image's tokens and become this object's.

In: image tokens (B, M, D). Out: triplane tokens (B, C, 3·P²), plane by plane, row by row.
"""

import torch
from torch import Tensor, nn

from tsr.attention import CrossAttention, SelfAttention
from tsr.config import NORM_GROUPS, TripoSRConfig
from tsr.layers import FeedForward

GROUP_NORM_EPS = 1e-6
LAYER_NORM_EPS = 1e-5


class TransformerBlock(nn.Module):
    """Three residual sublayers: self-attention, attention to the image, feed-forward.

    The tokens that pass through stay float32; only the products run in the block's precision.
    """

    def __init__(self, config: TripoSRConfig, dtype: torch.dtype) -> None:
        super().__init__()
        inner, image = config.num_heads * config.head_size, config.image_encoder.hidden_size
        self.dtype = dtype
        self.norm1 = nn.LayerNorm(inner, LAYER_NORM_EPS)
        self.self_attention = SelfAttention(inner, config.num_heads, config.head_size, bias=False, dtype=dtype)
        self.norm2 = nn.LayerNorm(inner, LAYER_NORM_EPS)
        self.cross_attention = CrossAttention(inner, image, config.num_heads, config.head_size, dtype)
        self.norm3 = nn.LayerNorm(inner, LAYER_NORM_EPS)
        self.feed_forward = FeedForward(inner, dtype)

    def mix(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, N, C) after the first sublayer, which does not see the image."""
        return tokens + self.self_attention(self.norm1(tokens).to(self.dtype))  # type: ignore[no-any-return]

    def look(self, tokens: Tensor, image_tokens: Tensor) -> Tensor:
        """Return tokens (B, N, C) after the second and third sublayer."""
        tokens = tokens + self.cross_attention(self.norm2(tokens).to(self.dtype), image_tokens)
        return tokens + self.feed_forward(self.norm3(tokens).to(self.dtype))  # type: ignore[no-any-return]


class TriplaneTransformer(nn.Module):
    """The learned tokens and the blocks that turn them into one object's."""

    start: Tensor

    def __init__(self, config: TripoSRConfig, dtype: torch.dtype) -> None:
        super().__init__()
        inner = config.num_heads * config.head_size
        self.dtype = dtype
        self.embeddings = nn.Parameter(torch.empty(3, config.channels, config.plane_size, config.plane_size))
        self.norm = nn.GroupNorm(NORM_GROUPS, config.channels, GROUP_NORM_EPS)
        self.proj_in = nn.Linear(config.channels, inner)
        self.blocks = nn.ModuleList(TransformerBlock(config, dtype) for _ in range(config.num_layers))
        self.proj_out = nn.Linear(inner, config.channels)
        self.register_buffer("start", torch.empty(1, 3 * config.plane_size**2, inner), persistent=False)

    def prepare(self) -> None:
        """Compute what no image changes, the way in and the first self-attention; called once after loading."""
        tokens = self.proj_in(self.norm(self._learned()).transpose(1, 2))  # (1, N, inner)
        self.start.copy_(self._blocks()[0].mix(tokens))

    def forward(self, image_tokens: Tensor) -> Tensor:
        image_tokens = image_tokens.to(self.dtype)
        tokens = self.start.expand(len(image_tokens), -1, -1)
        for index, block in enumerate(self._blocks()):
            tokens = block.look(block.mix(tokens) if index else tokens, image_tokens)
        return self.proj_out(tokens).transpose(1, 2) + self._learned()  # type: ignore[no-any-return]

    def _blocks(self) -> list[TransformerBlock]:
        return [block for block in self.blocks if isinstance(block, TransformerBlock)]

    def _learned(self) -> Tensor:
        planes, channels, rows, columns = self.embeddings.shape
        tokens = self.embeddings.permute(1, 0, 2, 3)  # (C, planes, rows, columns)
        return tokens.reshape(1, channels, planes * rows * columns)
