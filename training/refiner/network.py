"""The learned refiner: the shallow half of EfficientNet-lite0 and a small decoder.

It sees a picture and a coarse alpha and answers with a finer alpha. The encoder starts from ImageNet weights; the
alpha enters its first convolution by weights that start at zero.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.efficientnet import Encoder

STAGES_USED = 5  # of the encoder's seven; they end at a stride of 16
STRIDE = 16  # sides of the input are multiples of it
_SURE = 0.004  # an alpha within this of 0 or 1 counts as this far from it
_REACH_PX = 6  # how far from an unsure pixel the answer may change


def doubted(coarse: Tensor) -> Tensor:
    """Return where a coarse alpha is open to change, (N, 1, H, W) in [0, 1]: 1 within `_REACH_PX` of what is unsure."""
    span = functional.max_pool2d(coarse, 3, 1, 1) + functional.max_pool2d(-coarse, 3, 1, 1)
    unsure = (2 * torch.maximum(span, 4 * coarse * (1 - coarse)) - 0.4).clamp(0, 1)
    return functional.avg_pool2d(functional.max_pool2d(unsure, 2 * _REACH_PX + 1, 1, _REACH_PX), 5, 1, 2)


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


class Refiner(Encoder):
    """(N, 4, H, W) float32, RGB and coarse alpha in [0, 1], to a finer alpha (N, 1, H, W) in [0, 1].

    H and W are multiples of `STRIDE`. `gated`: what the coarse alpha is sure of, away from its edge, stays as it came.
    """

    def __init__(self) -> None:
        super().__init__(4, STAGES_USED)
        self.gated = False
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
        half, quarter, eighth, _, sixteenth = self.encode(inputs)
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
