"""The learned refiner: the shallow half of EfficientNet-lite0 and a small decoder.

It sees a picture and a coarse alpha and answers with a finer alpha. The encoder starts from ImageNet weights (Tan and
Le 2019; the `lite` variant has no squeeze-and-excitation and ReLU6 throughout); the alpha enters its first convolution
by weights that start at zero. Tensor names of the encoder are those of the published checkpoint.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

# (repeats, kernel, stride, expansion, channels) of the first five of seven stages, which end at a stride of 16
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
STRIDE = 16  # sides of the input are multiples of it
_STEM = 32
_SURE = 0.004  # an alpha within this of 0 or 1 counts as this far from it
_REACH_PX = 6  # how far from an unsure pixel the answer may change
_EPSILON = 1e-3  # of the published batch norms


def doubted(coarse: Tensor) -> Tensor:
    """Return where a coarse alpha is open to change, (N, 1, H, W) in [0, 1]: 1 within `_REACH_PX` of what is unsure."""
    span = functional.max_pool2d(coarse, 3, 1, 1) + functional.max_pool2d(-coarse, 3, 1, 1)
    unsure = (2 * torch.maximum(span, 4 * coarse * (1 - coarse)) - 0.4).clamp(0, 1)
    return functional.avg_pool2d(functional.max_pool2d(unsure, 2 * _REACH_PX + 1, 1, _REACH_PX), 5, 1, 2)


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
        inside = functional.relu6(self._bn1(self._depthwise_conv(inside)))
        inside = self._bn2(self._project_conv(inside))
        return inside + values if self.adds else inside


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Refiner(nn.Module):
    """(N, 4, H, W) float32, RGB and coarse alpha in [0, 1], to a finer alpha (N, 1, H, W) in [0, 1].

    H and W are multiples of `STRIDE`. `gated`: what the coarse alpha is sure of, away from its edge, stays as it came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gated = False
        self._conv_stem = nn.Conv2d(4, _STEM, 3, 2, 1, bias=False)
        self._bn0 = _norm(_STEM)
        blocks, channels = [], _STEM
        self._taps = []  # the last block of each stage
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for index in range(repeats):
                blocks.append(_Block(channels, outputs, kernel, stride if index == 0 else 1, expansion))
                channels = outputs
            self._taps.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self.up16 = _separable(112 + 1, 64)
        self.up8 = _separable(64 + 40 + 1, 48)
        self.up4 = _separable(48 + 24 + 1, 32)
        self.up2 = _separable(32 + 16 + 1, 24)
        self.head = nn.Sequential(
            nn.Conv2d(24 + 4, 12, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(12, 1, 3, padding=1)
        )
        nn.init.zeros_(self.head[2].weight)
        nn.init.zeros_(self.head[2].bias)

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the answer before the logistic function."""
        coarse = inputs[:, 3:4]
        values = functional.relu6(self._bn0(self._conv_stem((inputs - 0.5) * 2)))
        taps = []
        for index, block in enumerate(self._blocks):
            values = block(values)
            if index in self._taps:
                taps.append(values)
        half, quarter, eighth, _, sixteenth = taps
        values = self.up16(torch.cat([sixteenth, functional.avg_pool2d(coarse, 16)], 1))
        for skip, step, stage in ((eighth, 8, self.up8), (quarter, 4, self.up4), (half, 2, self.up2)):
            values = functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
            values = stage(torch.cat([values, skip, functional.avg_pool2d(coarse, step)], 1))
        values = functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
        change = self.head(torch.cat([values, inputs], 1))
        if self.gated:
            change = change * doubted(coarse)
        sure = coarse.clamp(_SURE, 1 - _SURE)
        return change + torch.log(sure / (1 - sure))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(inputs))

    def start_from(self, published: Mapping[str, Tensor]) -> None:
        """Take the encoder of a published EfficientNet-lite0. Raises KeyError where it lacks a tensor."""
        own = self.state_dict()
        for name in own:
            if name.startswith(("_conv_stem", "_bn0", "_blocks")):
                values = published[name]
                if name == "_conv_stem.weight":
                    values = torch.cat([values, torch.zeros(_STEM, 1, 3, 3)], 1)
                own[name] = values
        self.load_state_dict(own)
