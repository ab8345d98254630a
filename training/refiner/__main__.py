"""Make the weights of the learned refiner.

python -m training.refiner SHARED WORK --backbone FILE.pth    # composites, answers of the networks, training, export

SHARED holds `photos/` and `train/` (training/README.md); WORK is a folder for what is in between, which a second run
does not make again. The networks must be in the checkpoints folder.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from backend.contract.settings import Settings
from backend.engines.refiner import WEIGHTS
from backend.engines.registry import Engines
from backend.folders.datasets.measures import iou
from training.refiner.compose import composite
from training.refiner.network import Refiner
from training.refiner.samples import Example
from training.refiner.sources import Sources
from training.refiner.train import Plan, train

COMPOSITES, SEED = 640, 1
# Which networks answer for how many of the composites, and for every photo; a slow one answers for fewer.
NETWORKS = {"u2netp": 640, "u2net": 320, "isnet-fp16": 0}
LEAST_IOU = 0.45  # an answer further off teaches nothing about outlines


def main() -> None:
    """Parse the command line and make the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--backbone", type=Path, required=True, help="published EfficientNet-lite0 weights (.pth)")
    parser.add_argument("--steps", type=int, nargs=2, default=(3600, 3400), help="of each run")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    exact, photos = examples(options.shared, options.work)
    print(f"{len(exact)} composites and {len(photos)} photos")
    network = Refiner()
    network.start_from(torch.load(options.backbone, map_location="cpu", weights_only=True))
    everywhere, at_the_edge = options.steps
    train(network, exact, photos, Plan(everywhere))
    train(network, exact, photos, Plan(at_the_edge, gated=True, seed=11, rate=1.2e-3))
    export(network, options.out)


def examples(shared: Path, work: Path) -> tuple[list[Example], list[Example]]:
    """Return the composites and the photos with what the networks answer for them, kept in `work`."""
    sources, engines = Sources(shared, held_out=False), Engines(Settings())
    work.mkdir(parents=True, exist_ok=True)

    def answer(name: str, network: str, image: np.ndarray) -> np.ndarray:
        path = work / f"{name}.{network}.npy"
        if not path.exists():
            saliency = engines.segmenter(network).predict(image).saliency
            np.save(path, np.rint(saliency * 255).astype(np.uint8))
        return np.load(path)

    def example(name: str, image: np.ndarray, alpha: np.ndarray, networks: list[str], exact: bool) -> Example | None:
        answers = [answer(name, network, image) for network in networks]
        close = [one for one in answers if iou(one > 127, alpha > 127) > LEAST_IOU]
        return Example(image, alpha, close, exact) if close and (alpha > 127).any() else None

    exact, photos = [], []
    for number in range(COMPOSITES):
        path = work / f"composite_{number:04d}.npz"
        if not path.exists():
            image, alpha, _ = composite(np.random.default_rng([SEED, number]), sources)
            np.savez(path, image=image, alpha=np.rint(alpha * 255).astype(np.uint8))
        made = np.load(path)
        asked = [network for network, count in NETWORKS.items() if number < count]
        exact.append(example(path.stem, made["image"], made["alpha"], asked, True))
    for path in sources.photos:
        image, mask = sources.photo(path)
        photos.append(example(path.stem, image, (mask * 255).astype(np.uint8), list(NETWORKS), False))
    return [one for one in exact if one], [one for one in photos if one]


def export(network: Refiner, path: Path) -> None:
    """Write `network` as ONNX: any number of pictures, any size in steps of 16."""
    free = {0: "pictures", 2: "height", 3: "width"}
    torch.onnx.export(
        network.to(memory_format=torch.contiguous_format).eval(), (torch.zeros(1, 4, 64, 64),), str(path),
        input_names=["picture_and_coarse_alpha"], output_names=["alpha"],
        dynamic_axes={"picture_and_coarse_alpha": free, "alpha": free}, dynamo=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
