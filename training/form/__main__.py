"""Make the weights of the `form` engine.

python -m training.form SHARED WORK --backbone FILE.pth    # views, training, export

SHARED holds `train/meshes_cc0.npz` and, to watch the training, `shape/objects.npz` (training/README.md); WORK keeps the
views, which a second run does not make again, and the last weights.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from backend.engines.form.engine import WEIGHTS
from backend.engines.form.network import FormNetwork
from training.form.pack import make_packs, read_packs
from training.form.score import layer_errors, true_views
from training.form.train import Plan, train


def main() -> None:
    """Parse the command line and make the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--backbone", type=Path, required=True, help="published EfficientNet-lite0 weights (.pth)")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    views = read_packs(make_packs(options.shared / "train" / "meshes_cc0.npz", options.work / "packs"))
    print(f"{len(views.picture)} views")
    truth = true_views(options.shared / "shape")
    print(f"inflated outline: {layer_errors(truth, None).reshape(-1, 4).mean(0)} mean error from four poses")

    def check(step: int, network: FormNetwork) -> None:
        print(f"after {step} steps: {layer_errors(truth, network).reshape(-1, 4).mean(0)}", flush=True)
        export(network, options.work / "last.safetensors")

    network = FormNetwork()
    network.start_from(torch.load(options.backbone, map_location="cpu", weights_only=True))
    train(network, views, Plan(options.steps), check)
    export(network, options.out)


def export(network: FormNetwork, path: Path) -> None:
    """Write the weights in half precision, statistics of norms in single."""
    tensors = {}
    for name, values in network.state_dict().items():
        wide = "running_" in name or not values.is_floating_point()
        tensors[name] = (values if wide else values.half()).contiguous()
    save_file(tensors, path)


if __name__ == "__main__":
    main()
