"""TripoSR weights set by hand so that the small network's answer is known: an ellipsoid with one red half.

Every layer runs; the transformer's last product is zero, so the triplane tokens pass through, and the decoder carries
its inputs along the linear part of SiLU. Semi-axes 0.3, 0.4, 0.5 along x, y, z; red where y > 0, blue elsewhere.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tests.helpers.stand_in_weights import stand_in_state

SEMI_AXES = (0.3, 0.4, 0.5)  # short of the box, at whose walls the planes are sampled half outside, as zero
RADIUS = 0.87
LIFT = 30.0  # SiLU is linear to rounding from here on
GAIN = 3.0  # of log density against the ellipsoid's quadratic form
SURFACE = float(np.log(25.0)) + 1.0  # raw output on the isovalue


def known_state(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Return a state dict for the published names `shapes` of a network with at least 2 channels a plane."""
    state = stand_in_state(shapes)
    channels, side = shapes["post_processor.upsample.weight"][1], 2 * shapes["tokenizer.embeddings"][-1]
    blocks = _code(channels, side).reshape(3, channels, side // 2, 2, side // 2, 2).transpose(0, 1, 3, 5, 2, 4)
    tokens = torch.zeros(tuple(shapes["tokenizer.embeddings"]))
    tokens[:, : channels * 4] = torch.from_numpy(blocks.reshape(3, channels * 4, side // 2, side // 2).copy())
    kernel = torch.zeros(tuple(shapes["post_processor.upsample.weight"]))
    kernel.reshape(len(kernel), -1)[: channels * 4] = torch.eye(channels * 4)
    state |= {
        "tokenizer.embeddings": tokens,
        "post_processor.upsample.weight": kernel,
        "post_processor.upsample.bias": torch.zeros(channels),
        "backbone.proj_out.weight": torch.zeros(tuple(shapes["backbone.proj_out.weight"])),
        "backbone.proj_out.bias": torch.zeros(tuple(shapes["backbone.proj_out.bias"])),
    }
    return state | _decoder(shapes, channels)


def _code(channels: int, side: int) -> np.ndarray:
    """Channel 0: each plane's share of 1 − Σ (p / semi-axis)²; channel 1 of the first plane: the sign of y."""
    at = (np.arange(side) + 0.5) / side * 2 * RADIUS - RADIUS
    columns, rows = np.meshgrid(at, at)
    x_axis, y_axis, z_axis = SEMI_AXES
    code = np.zeros((3, channels, side, side), np.float32)
    code[0, 0] = np.maximum(1 - (columns / x_axis) ** 2 - (rows / y_axis) ** 2, -8)
    code[1, 0] = np.maximum(-((rows / z_axis) ** 2), -8)
    code[0, 1] = np.clip(rows * 20, -1, 1)
    return code


def _decoder(shapes: Mapping[str, Sequence[int]], channels: int) -> dict[str, torch.Tensor]:
    names = sorted(
        (n for n in shapes if n.startswith("decoder.") and n.endswith("weight")), key=lambda n: int(n.split(".")[2])
    )
    layers = {}
    for depth, name in enumerate(names):
        weight, bias = torch.zeros(tuple(shapes[name])), torch.zeros(shapes[name][0])
        if depth == 0:
            weight[0, [0, channels, 2 * channels]] = 1.0
            weight[1, 1] = 1.0
            bias[:2] = LIFT
        elif depth < len(names) - 1:
            weight[0, 0] = weight[1, 1] = 1.0
        else:
            weight[0, 0], bias[0] = GAIN, SURFACE - GAIN * LIFT
            weight[1, 1], bias[1] = 5.0, -5.0 * LIFT  # red
            bias[2] = -5.0
            weight[3, 1], bias[3] = -5.0, 5.0 * LIFT  # blue
        layers[name], layers[name.replace("weight", "bias")] = weight, bias
    return layers
