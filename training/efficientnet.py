"""EfficientNet-lite0 as an encoder (Tan and Le 2019; `lite`: no squeeze-and-excitation, ReLU6 throughout).

Tensor names are those of the published checkpoint, from which training starts.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

# (repeats, kernel, stride, expansion, channels) of each stage; behind the stem at a stride of 2
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
_EPSILON = 1e-3  # of the published batch norms
OWN = ("_conv", "_bn", "_blocks")  # how the names of the encoder's tensors begin


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=0.01)


class _Block(nn.Module):
    """Expand, filter each channel, project; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, values: Tensor) -> Tensor:
        inside = functional.relu6(self._bn0(self._expand_conv(values))) if self.expands else values
        with torch.autocast(inside.device.type, enabled=False):  # on a CPU several times faster to learn than bfloat16
            inside = self._depthwise_conv(inside.float())
        inside = functional.relu6(self._bn1(inside))
        inside = self._bn2(self._project_conv(inside))
        return inside + values if self.adds else inside


class Encoder(nn.Module):
    """The first `stages` stages for pictures of `channels` planes, RGB first.

    A network inherits it, so that tensors keep their published names.
    """

    def __init__(self, channels: int, stages: int) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(channels, _STEM, 3, 2, 1, bias=False)
        self._bn0 = _norm(_STEM)
        blocks: list[nn.Module] = []
        inputs = _STEM
        self._ends: list[int] = []  # the last block of each stage
        for repeats, kernel, stride, expansion, outputs in STAGES[:stages]:
            for index in range(repeats):
                blocks.append(_Block(inputs, outputs, kernel, stride if index == 0 else 1, expansion))
                inputs = outputs
            self._ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """Return the output of each stage for (N, channels, H, W) in [0, 1]."""
        values = functional.relu6(self._bn0(self._conv_stem((inputs - 0.5) * 2)))
        ends = []
        for index, block in enumerate(self._blocks):
            values = block(values)
            if index in self._ends:
                ends.append(values)
        return ends

    def start_from(self, published: Mapping[str, Tensor]) -> None:
        """Take the weights of a published EfficientNet-lite0; planes beside RGB enter by weights that start at zero.

        Raises KeyError where it lacks a tensor.
        """
        own = self.state_dict()
        for name in own:
            if name.startswith(OWN):
                values = published[name]
                if name == "_conv_stem.weight":
                    more = self._conv_stem.in_channels - values.shape[1]
                    values = torch.cat([values, torch.zeros(_STEM, more, 3, 3)], 1)
                own[name] = values
        self.load_state_dict(own)
