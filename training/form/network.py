"""The network of the `form` engine: one picture of an object -> the depths of its front and its back.

The encoder is EfficientNet-lite0 (Tan and Le 2019; the `lite` variant has no squeeze-and-excitation and ReLU6
throughout); tensor names are those of the published checkpoint, from which training starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 7  # RGB on grey, alpha, inflated half thickness, disparity, 1 where a disparity is given
# (repeats, kernel, stride, expansion, channels) of each stage
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
_WIDTHS = (128, 96, 64, 32)  # of the decoder, at 8, 16, 32 and 64 nodes a side


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=0.01)


class Block(nn.Module):
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
        answer: Tensor = inside + values if self.adds else inside
        return answer


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Layers:
    """What the network answers, each (N, ., NODES, NODES) float32."""

    front: Tensor  # x of the visible surface, world units of the input camera; the mean depth has no meaning
    back: Tensor  # x of the last surface behind it
    doubt: Tensor  # (N, 2, .) expected error of front and back, world units
    behind: Tensor  # (N, 3, .) RGB of the back in [0, 1]


class FormNetwork(nn.Module):
    """(N, 7, 128, 128) float32 -> `Layers`. 4.2 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(CHANNELS, _STEM, 3, 2, 1, bias=False)
        self._bn0 = _norm(_STEM)
        blocks: list[nn.Module] = []
        channels = _STEM
        self._taps: list[int] = []  # the last block before each halving
        for repeats, kernel, stride, expansion, outputs in STAGES:
            if stride == 2:
                self._taps.append(len(blocks) - 1)
            for index in range(repeats):
                blocks.append(Block(channels, outputs, kernel, stride if index == 0 else 1, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        eight, sixteen, thirty_two, sixty_four = _WIDTHS
        self.whole = nn.Linear(320, 128)
        self.up8 = _stage(320 + 128 + 112, eight)
        self.up16 = _stage(eight + 40, sixteen)
        self.up32 = _stage(sixteen + 24, thirty_two)
        self.up64 = _stage(thirty_two + 16 + CHANNELS, sixty_four)
        self.head = nn.Conv2d(sixty_four, 7, 1)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, inputs: Tensor) -> Layers:
        values = functional.relu6(self._bn0(self._conv_stem((inputs - 0.5) * 2)))
        taps = []
        for index, block in enumerate(self._blocks):
            values = block(values)
            if index in self._taps:
                taps.append(values)
        half, quarter, eighth, sixteenth = taps
        whole = functional.relu(self.whole(values.mean((2, 3))))[..., None, None].expand(-1, -1, *values.shape[2:])
        values = torch.cat([values, whole], 1)
        coarse = functional.avg_pool2d(inputs, 2)
        for stage, skips in (
            (self.up8, [sixteenth]),
            (self.up16, [eighth]),
            (self.up32, [quarter]),
            (self.up64, [half, coarse]),
        ):
            values = functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
            values = stage(torch.cat([values, *skips], 1))
        answer = self.head(values).float()
        inflated = coarse[:, 4:5]
        middle = 0.5 * answer[:, 0:1]
        thick = 0.25 * functional.softplus(3 * answer[:, 1:2] + 8 * inflated - 1.5)
        doubt = 0.02 + 0.1 * functional.softplus(answer[:, 2:4])
        tint = coarse[:, :3].clamp(0.02, 0.98)
        tint = torch.log(tint / (1 - tint))
        return Layers(middle + thick, middle - thick, doubt, torch.sigmoid(tint + 3 * answer[:, 4:7]))

    def start_from(self, published: Mapping[str, Tensor]) -> None:
        """Take the encoder of a published EfficientNet-lite0. Raises KeyError where it lacks a tensor."""
        own = self.state_dict()
        for name in own:
            if name.startswith(("_conv_stem", "_bn0", "_blocks")):
                values = published[name]
                if name == "_conv_stem.weight":
                    values = torch.cat([values, torch.zeros(_STEM, CHANNELS - 3, 3, 3)], 1)
                own[name] = values
        self.load_state_dict(own)
