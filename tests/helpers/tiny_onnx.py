"""Small ONNX networks with the signatures of the real ones, made on the spot."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_network(
    path: Path,
    *,
    size: tuple[int, int] = (320, 320),
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    bias: float = 0.0,
    sigmoid: bool = True,
    outputs: int = 7,
    output_size: tuple[int, int] | None = None,
    channels: int = 3,
    dynamic: bool = False,
) -> Path:
    """Write a network whose first output is sigmoid(weights · RGB + bias) for each pixel (or that without sigmoid).

    Like U²-Net it has seven outputs; the further ones are the negated first, so that taking the wrong one shows.
    """
    height, width = ("height", "width") if dynamic else size
    out_height, out_width = ("h", "w") if dynamic else (output_size or size)
    kernel = np.resize(np.array(weights, np.float32), channels).reshape(1, channels, 1, 1)
    constants = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(np.float32([bias]), "bias")]
    nodes = [helper.make_node("Conv", ["input.1", "kernel", "bias"], ["logit"])]
    if output_size is not None:
        constants.append(numpy_helper.from_array(np.array([1, 1, *output_size], np.int64), "sizes"))
        nodes.append(helper.make_node("Resize", ["logit", "", "", "sizes"], ["resized"], mode="linear"))
    nodes.append(
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["resized" if output_size else "logit"], ["d0"])
    )
    nodes += [helper.make_node("Neg", ["d0"], [f"d{index}"]) for index in range(1, outputs)]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, channels, height, width])],
        [
            helper.make_tensor_value_info(f"d{index}", TensorProto.FLOAT, [1, 1, out_height, out_width])
            for index in range(outputs)
        ],
        constants,
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(network)
    onnx.save(network, str(path))
    return path
