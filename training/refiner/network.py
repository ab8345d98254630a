"""The learned refiner: the shallow half of EfficientNet-lite0, a look around and a decoder.

It sees a picture and a coarse alpha and answers with a finer alpha. The encoder starts from ImageNet weights; the
alpha enters its first convolution by weights that start at zero. Where the encoder is coarsest, blocks of growing reach
look around, and every place is told how much it is like what the coarse alpha takes for the object and for the rest.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.efficientnet import Encoder

STAGES_USED = 5  # of the encoder's seven; they end at a stride of 16
STRIDE = 16  # sides of the input are multiples of it
_SURE = 0.004  # an alpha within this of 0 or 1 counts as this far from it
_REACH_PX = 6  # how far from an unsure pixel the answer may change
_AROUND = 128  # channels of the look around
_REACHES = (1, 2, 4, 1)  # dilations of its blocks


def doubted(coarse: Tensor) -> Tensor:
    """Return where a coarse alpha is open to change, (N, 1, H, W) in [0, 1]: 1 within `_REACH_PX` of what is unsure."""
    span = functional.max_pool2d(coarse, 3, 1, 1) + functional.max_pool2d(-coarse, 3, 1, 1)
    unsure = (2 * torch.maximum(span, 4 * coarse * (1 - coarse)) - 0.4).clamp(0, 1)
    return functional.avg_pool2d(functional.max_pool2d(unsure, 2 * _REACH_PX + 1, 1, _REACH_PX), 5, 1, 2)


def likeness(values: Tensor, coarse: Tensor) -> Tensor:
    """Return (N, 2, H, W) in [-1, 1]: how like each place's values are to the object's mean, and to the rest's.

    `coarse` (N, 1, H, W) in [0, 1] says what the object is; the likeness is a cosine.
    """
    values = values.float()
    values = values - values.mean((2, 3), keepdim=True)
    length = values.square().sum(1, keepdim=True).add(1e-4).sqrt()
    found = []
    for share in (coarse, 1 - coarse):
        mean = (values * share).sum((2, 3), keepdim=True) / (share.sum((2, 3), keepdim=True) + 1)
        reach = mean.square().sum(1, keepdim=True).add(1e-4).sqrt()
        found.append((values * mean).sum(1, keepdim=True) / (length * reach))
    return torch.cat(found, 1)


def _separable(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    pad = kernel // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, kernel, padding=pad, dilation=dilation, groups=outputs, bias=False),
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

    def __init__(self, gated: bool = True) -> None:
        super().__init__(4, STAGES_USED)
        self.gated = gated
        self.up16 = _separable(112 + 3, _AROUND)
        self.around = nn.ModuleList(_separable(_AROUND, _AROUND, 5, reach) for reach in _REACHES)
        self.up8 = _separable(_AROUND + 40 + 1, 96)
        self.up4 = _separable(96 + 24 + 3, 64)
        self.up2 = _separable(64 + 16 + 1, 40)
        self.head = nn.Sequential(
            nn.Conv2d(40 + 4, 16, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(16, 1, 3, padding=1)
        )
        nn.init.zeros_(self.head[2].weight)
        nn.init.zeros_(self.head[2].bias)

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the answer before the logistic function."""
        coarse = inputs[:, 3:4]
        half, quarter, eighth, _, sixteenth = self.encode(inputs)
        shares = {step: functional.avg_pool2d(coarse, step) for step in (2, 4, 8, 16)}
        values = self.up16(torch.cat([sixteenth, shares[16], likeness(sixteenth, shares[16])], 1))
        for block in self.around:
            values = values + block(values)
        quarter = torch.cat([quarter, likeness(quarter, shares[4])], 1)
        for skip, step, stage in ((eighth, 8, self.up8), (quarter, 4, self.up4), (half, 2, self.up2)):
            values = functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
            values = stage(torch.cat([values, skip, shares[step]], 1))
        values = functional.interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)
        change = self.head(torch.cat([values, inputs], 1))
        if self.gated:
            change = change * doubted(coarse)
        sure = coarse.clamp(_SURE, 1 - _SURE)
        return change + torch.log(sure / (1 - sure))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(inputs))
