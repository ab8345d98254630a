"""Make the weights of the learned refiner.

python -m training.refiner SHARED WORK --backbone FILE.pth    # composites, answers of the networks, training, export

SHARED holds `photos/` and `train/` (training/README.md); WORK is a folder for what is in between, which a second run
does not make again. The networks must be in the checkpoints folder.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from backend.contract.settings import Settings
from backend.engines.refiner import WEIGHTS
from backend.folders.datasets.measures import iou
from backend.weights.catalogue import CATALOGUE
from training.refiner.answers import Network
from training.refiner.compose import composite
from training.refiner.network import Refiner
from training.refiner.samples import Example
from training.refiner.sources import Sources
from training.refiner.train import Plan, train

SEED = 1
NETWORKS = ("u2netp", "u2net", "isnet-fp16")
RUNS = (Plan(2555), Plan(314, rate=1e-3, encoder_rate=3e-4, seed=11))  # the second goes on from the first
ASKED_AT_ONCE = 8
LEAST_IOU = 0.45  # an answer further off teaches nothing about outlines


def main() -> None:
    """Parse the command line and make the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--backbone", type=Path, required=True, help="published EfficientNet-lite0 weights (.pth)")
    parser.add_argument("--composites", type=int, default=9000)
    parser.add_argument("--workers", type=int, default=2, help="processes that make composites and crops")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    make_composites(options.shared, options.work / "exact", options.composites, options.workers)
    keep_photos(options.shared, options.work / "photos")
    for name in NETWORKS:
        ask(name, options.work, options.device)
    exact, photos = Kept(options.work / "exact", True), Kept(options.work / "photos", False)
    print(f"{len(exact)} composites and {len(photos)} photos")
    network = Refiner()
    network.start_from(torch.load(options.backbone, map_location="cpu", weights_only=True))
    for plan in RUNS:
        network = train(network, exact, photos, replace(plan, workers=options.workers), options.device)
    export(network, options.out)


class Kept(Sequence[Example]):
    """Examples in a folder: NAME.npy, (H, W, 4) uint8, the picture and its alpha, and NAME.NETWORK.answer.npy."""

    def __init__(self, folder: Path, exact: bool) -> None:
        self._exact = exact
        self._found = [(path, answers) for path in pictures(folder) if (answers := self._near(path))]

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        path, answers = self._found[index]
        pixels = np.load(path)
        return Example(pixels[..., :3], pixels[..., 3], [np.load(one) for one in answers], self._exact)

    @staticmethod
    def _near(path: Path) -> list[Path]:
        truth = np.load(path, mmap_mode="r")[..., 3] > 127
        answers = [one for name in NETWORKS if (one := _answer_path(path, name)).exists()]
        return [one for one in answers if truth.any() and iou(np.load(one, mmap_mode="r") > 127, truth) > LEAST_IOU]


def pictures(folder: Path) -> list[Path]:
    """Return the pictures that are kept in `folder`."""
    return sorted(path for path in folder.glob("*.npy") if not path.name.endswith(".answer.npy"))


def make_composites(shared: Path, folder: Path, count: int, workers: int) -> None:
    """Make those of the first `count` composites that `folder` lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(count) if not _composite_path(folder, number).exists()]
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(shared, folder)) as pool:
        list(pool.map(_make, missing, chunksize=8))


def keep_photos(shared: Path, folder: Path) -> None:
    """Keep the photos with hand-made masks like the composites."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = Sources(shared, held_out=False)
    for path in sources.photos:
        image, mask = sources.photo(path)
        np.save(folder / f"{path.stem}.npy", np.dstack([image, (mask * 255).astype(np.uint8)]))


def ask(name: str, work: Path, device: str) -> None:
    """Keep what the network `name` answers for each picture that it was not asked about."""
    fed = CATALOGUE[name].network
    assert fed is not None
    network = Network(Settings().checkpoints_dir / f"{name}.onnx", fed, device)
    kept = [path for folder in ("exact", "photos") for path in pictures(work / folder)]
    missing = [path for path in kept if not _answer_path(path, name).exists()]
    for first in range(0, len(missing), ASKED_AT_ONCE):
        some = missing[first : first + ASKED_AT_ONCE]
        for path, saliency in zip(some, network([np.load(path)[..., :3] for path in some]), strict=True):
            np.save(_answer_path(path, name), saliency)


_SOURCES: list[Sources] = []  # of a process that makes composites
_FOLDER: list[Path] = []


def _begin(shared: Path, folder: Path) -> None:
    cv2.setNumThreads(1)
    _SOURCES.append(Sources(shared, held_out=False))
    _FOLDER.append(folder)


def _make(number: int) -> None:
    image, alpha, _ = composite(np.random.default_rng([SEED, number]), _SOURCES[0])
    path = _composite_path(_FOLDER[0], number)
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        np.save(file, np.dstack([image, np.rint(alpha * 255).astype(np.uint8)]))
    half.rename(path)


def _composite_path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npy"


def _answer_path(picture: Path, network: str) -> Path:
    return picture.with_name(f"{picture.stem}.{network}.answer.npy")


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
