"""Make the weights of the `form` engine.

python -m training.form SHARED WORK --backbone FILE.pth    # views, training, export

SHARED holds `train/meshes_cc0.npz` and, to watch the training, `shape/objects.npz` (training/README.md); WORK keeps the
views, which a second run does not make again, and the last weights.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from backend.engines.form.engine import OUTPUTS, PICTURE, WEIGHTS
from training.form.network import CHANNELS, FormNetwork
from training.form.pack import make_packs, read_packs
from training.form.score import layer_errors, true_views
from training.form.train import Plan, train


def main() -> None:
    """Parse the command line and make the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--backbone", type=Path, required=True, help="published EfficientNet-lite0 weights (.pth)")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    views = read_packs(make_packs(options.shared / "train" / "meshes_cc0.npz", options.work / "packs"))
    print(f"{len(views.picture)} views")
    truth = true_views(options.shared / "shape")
    print(f"inflated outline: {layer_errors(truth, None).reshape(-1, 4).mean(0)} mean error from four poses")

    def check(step: int, network: FormNetwork) -> None:
        print(f"after {step} steps: {layer_errors(truth, network).reshape(-1, 4).mean(0)}", flush=True)
        export(network, options.work / "last.onnx")

    network = FormNetwork()
    network.start_from(torch.load(options.backbone, map_location="cpu", weights_only=True))
    train(network, views, Plan(options.steps), check)
    export(network, options.out)


class _Answers(nn.Module):
    """The network with its answers in a row, as ONNX has them."""

    def __init__(self, network: FormNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        layers = self.network(inputs)
        return layers.front, layers.back, layers.doubt, layers.behind


def export(network: FormNetwork, path: Path) -> None:
    """Write `network` as ONNX, for any number of pictures. Its weights are stored in half precision and widened once
    when they are read."""
    wide = path.with_suffix(".wide.onnx")
    free = {name: {0: "pictures"} for name in ("inputs", *OUTPUTS)}
    torch.onnx.export(
        _Answers(network.to(memory_format=torch.contiguous_format)).eval(),
        (torch.zeros(1, CHANNELS, PICTURE, PICTURE),),
        str(wide), input_names=["inputs"], output_names=list(OUTPUTS), dynamic_axes=free, dynamo=False,
    )  # fmt: skip
    model = onnx.load(wide)
    wide.unlink()
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    main()
