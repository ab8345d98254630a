"""Are pictures faster together? Each kind of network at batch 1, 2 and 4, in one run: seconds a picture.

    python benchmarks/batching.py [--rounds 3] [--device cpu] [--only TripoSR]

Weights are random, for time depends on sizes alone: an ONNX U-shaped convolutional network with a dynamic batch axis
(the size of a segmenter), Depth-Anything V2 small, and TripoSR's encoder. Batches take turns within each round, so
that a neighbour on the machine disturbs them alike; the best round counts.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from backend.engines.depth_anything import SIZES, DepthAnything, _empty_network  # noqa: E402
from tsr import TripoSR  # noqa: E402
from tsr.config import TripoSRConfig  # noqa: E402

BATCHES = (1, 2, 4)
WIDTHS = (3, 32, 64, 128, 256, 256)  # channels at each halving


def conv_network(side: int) -> Callable[[int], Any]:
    """Return a run of an ONNX network: down five halvings and up again."""
    random = np.random.default_rng(0)
    constants, nodes, name = [], [], "pictures"
    for i, (given, made) in enumerate(pairwise(WIDTHS)):
        kernel = random.normal(0, (given * 9) ** -0.5, (made, given, 3, 3)).astype(np.float32)
        constants.append(numpy_helper.from_array(kernel, f"k{i}"))
        nodes += [
            helper.make_node("Conv", [name, f"k{i}"], [f"c{i}"], pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("Relu", [f"c{i}"], [f"r{i}"]),
        ]
        name = f"r{i}"
    ups = (*reversed(WIDTHS[1:-1]), 1)
    for i, (given, made) in enumerate(pairwise((WIDTHS[-1], *ups))):
        kernel = random.normal(0, (given * 4) ** -0.5, (given, made, 2, 2)).astype(np.float32)
        constants.append(numpy_helper.from_array(kernel, f"u{i}"))
        nodes.append(helper.make_node("ConvTranspose", [name, f"u{i}"], [f"up{i}"], strides=[2, 2]))
        name = f"up{i}"
    given = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, side, side])
    made = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, side, side])
    graph = helper.make_graph(nodes, "u", [given], [made], constants)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=onnxruntime.get_available_providers()
    )
    return lambda batch: session.run(None, {"pictures": np.ones((batch, 3, side, side), np.float32)})


def depth_network(device: str) -> Callable[[int], Any]:
    size = SIZES[384]
    network = _empty_network(size).to_empty(device=device)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    model = DepthAnything(network.eval().requires_grad_(False), size, device, "fast")
    return lambda batch: model.forward(torch.ones(batch, 3, 518, 686, device=device)).cpu()


def triposr_encoder(device: str) -> Callable[[int], Any]:
    model = TripoSR(TripoSRConfig(), device, "auto")
    random = torch.Generator().manual_seed(0)
    model.load_published(
        {name: torch.randn(shape, generator=random) * 0.02 for name, shape in model.published_shapes.items()}
    )
    return lambda batch: model.encode(torch.full((batch, 3, 512, 512), 0.5, device=device)).cpu()


def measure(run: Callable[[int], Any], rounds: int) -> dict[int, float]:
    """Return the best seconds a picture for each batch."""
    best = dict.fromkeys(BATCHES, float("inf"))
    run(1)
    for _ in range(rounds):
        for batch in BATCHES:
            start = time.perf_counter()
            run(batch)
            best[batch] = min(best[batch], (time.perf_counter() - start) / batch)
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="of the networks below those whose name holds this")
    arguments = parser.parse_args()
    networks: dict[str, Callable[[], Callable[[int], Any]]] = {
        "ONNX segmenter, 320 px": lambda: conv_network(320),
        "ONNX segmenter, 1024 px": lambda: conv_network(1024),
        "Depth-Anything V2 small": lambda: depth_network(arguments.device),
        "TripoSR encoder": lambda: triposr_encoder(arguments.device),
    }
    print(f"seconds a picture on {arguments.device}, and the ratio to one at a time")
    for name in (name for name in networks if arguments.only in name):
        best = measure(networks[name](), arguments.rounds)
        columns = "   ".join(f"{batch}: {seconds:.3f} ({seconds / best[1]:.2f})" for batch, seconds in best.items())
        print(f"{name:<26}{columns}", flush=True)


if __name__ == "__main__":
    main()
