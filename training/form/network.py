"""The network of the `form` engine: one picture of an object -> the depths of its front and its back.

The encoder is EfficientNet-lite0, whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.efficientnet import STAGES, Encoder

CHANNELS = 7  # RGB on grey, alpha, inflated half thickness, disparity, 1 where a disparity is given
_WIDTHS = (128, 96, 64, 32)  # of the decoder, at 8, 16, 32 and 64 nodes a side


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


class FormNetwork(Encoder):
    """(N, 7, 128, 128) float32 -> `Layers`. 4.2 M parameters."""

    def __init__(self) -> None:
        super().__init__(CHANNELS, len(STAGES))
        eight, sixteen, thirty_two, sixty_four = _WIDTHS
        self.whole = nn.Linear(320, 128)
        self.up8 = _stage(320 + 128 + 112, eight)
        self.up16 = _stage(eight + 40, sixteen)
        self.up32 = _stage(sixteen + 24, thirty_two)
        self.up64 = _stage(thirty_two + 16 + CHANNELS, sixty_four)
        self.head = nn.Conv2d(sixty_four, 7, 1)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, inputs: Tensor) -> Layers:
        half, quarter, eighth, _, sixteenth, _, values = self.encode(inputs)
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
