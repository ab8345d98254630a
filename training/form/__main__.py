"""Make the weights of the `form` engine.

python -m training.form SHARED WORK --backbone FILE.pth    # views, training, export
python -m training.form SHARED WORK --start A.pt --steps 1900 --rate 5e-4 --seed 13    # go on from WORK/last.pt
python -m training.form SHARED WORK --start A.pt B.pt --steps 0    # the mean of two runs from the same weights

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
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--backbone", type=Path, help="published EfficientNet-lite0 weights (.pth)")
    start.add_argument("--start", type=Path, nargs="+", help="weights of earlier runs (WORK/last.pt); their mean")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="of the decoder; the encoder's is 0.4 of it")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    views = read_packs(make_packs(options.shared / "train" / "meshes_cc0.npz", options.work / "packs"))
    print(f"{len(views.picture)} views")
    truth = true_views(options.shared / "shape")
    print(f"inflated outline: {layer_errors(truth, None).reshape(-1, 4).mean(0)} mean error from four poses")

    def check(step: int, network: FormNetwork) -> None:
        print(f"after {step} steps: {layer_errors(truth, network).reshape(-1, 4).mean(0)}", flush=True)
        torch.save(network.state_dict(), options.work / "last.pt")

    network = FormNetwork()
    given = [torch.load(path, map_location="cpu", weights_only=True) for path in options.start or [options.backbone]]
    if options.start:
        mean = {name: sum(one[name].float() for one in given) / len(given) for name in given[0]}
        network.load_state_dict({name: values.to(given[0][name].dtype) for name, values in mean.items()})
    else:
        network.start_from(given[0])
    if options.steps:
        train(network, views, Plan(options.steps, rate=options.rate, seed=options.seed), check)
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
