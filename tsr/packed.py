"""Linear layers for CPUs that multiply bfloat16: weights laid out once for the product, activations inside it.

In: modules whose weights are loaded. Out: the same modules, whose large products run in oneDNN's own layout. PyTorch
has these products for its compiler (`torch.ops.mkldnn`); calling them directly saves a new layout of every weight at
each call and a pass over memory per activation. Nothing else changes, and loading has to be over.
"""

import torch
from torch import Tensor, nn

from tsr.layers import CPU_TOKENS, FeedForward, GeluLinear


class PackedLinear(nn.Module):
    """A linear layer in bfloat16, followed by `activation`, "none" or "gelu" (by the error function)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: str = "none") -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), CPU_TOKENS)
        self.bias = None if bias is None else bias.detach().contiguous()
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            features, self.weight, self.bias, self.activation, [], "none"
        )
        return product

    def gated(self, features: Tensor, gate: Tensor) -> Tensor:
        """Return this layer's product times `gate`, which has the product's shape."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise.binary(features, gate, self.weight, self.bias, "mul")
        return product


class PackedFeedForward(nn.Module):
    """GEGLU in three products: the gate with its GELU, the value times the gate, the way back."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__()
        (value, gate), (value_bias, gate_bias) = layer.expand.weight.chunk(2), layer.expand.bias.chunk(2)
        self.value = PackedLinear(value, value_bias)
        self.gate = PackedLinear(gate, gate_bias, "gelu")
        self.contract = PackedLinear(layer.contract.weight, layer.contract.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = torch.split(tokens, CPU_TOKENS, dim=1)
        return torch.cat([self.contract(self.value.gated(part, self.gate(part))) for part in parts], dim=1)


def pack(module: nn.Module) -> None:
    """Replace the bfloat16 linear layers inside `module` by packed ones, in place."""
    for name, child in module.named_children():
        if isinstance(child, FeedForward):
            setattr(module, name, PackedFeedForward(child))
        elif isinstance(child, nn.Linear) and child.weight.dtype == torch.bfloat16:
            activation = "gelu" if isinstance(child, GeluLinear) else "none"
            setattr(module, name, PackedLinear(child.weight, child.bias, activation))
        else:
            pack(child)
