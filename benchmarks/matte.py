"""Does refinement earn its place? One table: truth spoiled as networks do, before and after a preset.

python -m benchmarks.matte                          # ../shared/photos/pairs and the drawn scenes
python -m benchmarks.matte --classic                # with the classic stages in place of the learned refiner
python -m benchmarks.matte FOLDER                   # any folder with image/ and mask/ (same names, mask as PNG)
python -m benchmarks.matte FOLDER --guesses OTHER   # a network's own saliency (PNG of the same names) instead
python -m benchmarks.matte --model border          # all of the pipeline by `evaluate`: a model at each quality
python -m benchmarks.matte --sheets OUT             # contact sheets: image, guess, alpha, object on grey
python -m benchmarks.matte --speed                  # time and memory against the number of pixels
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.folders.datasets.evaluation import evaluate_settings, table_of_runs
from backend.folders.datasets.measures import boundary_f, iou
from backend.folders.datasets.pairs import find_pairs
from backend.images.arrays import Alpha, Image
from backend.preprocessing import CLASSIC, PRESETS, MatteConfig, foreground_colors, refine_matte
from benchmarks.matte_scenes import Scene, draw_scenes
from benchmarks.spoiling import SPOILINGS, grid

PAIRS = Path(__file__).resolve().parent.parent.parent / "shared" / "photos" / "pairs"
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
Guess = Callable[[Scene, np.random.Generator], Alpha]


def main() -> None:
    """Parse the command line and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with image/ and mask/")
    parser.add_argument("--preset", choices=PRESETS, default="balanced")
    parser.add_argument("--classic", action="store_true", help="the classic stages in place of the learned refiner")
    parser.add_argument("--seeds", type=int, default=1, help="how often each picture is spoiled, with a seed each")
    parser.add_argument("--guesses", type=Path, help="saliency PNGs to refine instead of spoiled truth")
    parser.add_argument("--model", action="append", help="a segmenter by name; may be given several times")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet a kind of spoiling here")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    config = (CLASSIC if options.classic else PRESETS)[options.preset]
    if options.speed:
        print_speed()
        return
    if options.model:
        print_pipeline(options.folder or PAIRS, options.model)
        return
    groups = {"folder": read_pairs(options.folder)} if options.folder else {"drawn": draw_scenes()}
    if not options.folder and PAIRS.is_dir():
        groups = {"pairs": read_pairs(PAIRS), **groups}
    kinds: dict[str, Guess] = {name: _spoiled(name) for name in SPOILINGS}
    if options.guesses:
        kinds = {"given": lambda scene, _: _read_guess(options.guesses / f"{scene.name}.png", scene.alpha)}
    print(
        f"{'guess':13s} {'scenes':7s} {'IoU':>15s} {'gain':>8s} {'boundary F':>15s} {'gain':>7s} {'alpha error':>15s}"
    )
    gains = []
    for kind, guess in kinds.items():
        for group, scenes in groups.items():
            sheet = options.sheets and options.sheets / f"{group}_{kind}.jpg"
            row = measure(scenes, guess, config, options.seeds, sheet)
            print(
                f"{kind:13s} {group:7s} {row[0]:7.4f} {row[1]:7.4f} {row[1] - row[0]:+8.4f} {row[2]:7.3f} {row[3]:7.3f}"
                f" {row[3] - row[2]:+7.3f} {row[4]:7.4f} {row[5]:7.4f}"
            )
            if kind != "untouched":
                gains.append(row[3] - row[2])
    print(f"mean gain of boundary F over the spoiled kinds: {np.mean(gains):+.3f}")


def print_pipeline(folder: Path, models: list[str]) -> None:
    """Print what `python -m backend evaluate` measures on the pairs of `folder`, for each of `models` and quality."""
    images, masks = folder / "image", folder / "mask"
    asked = [MaskOptions.model_validate({"model": model, "quality": each}) for model in models for each in PRESETS]
    pairs = find_pairs(images, masks).pairs
    print(table_of_runs(evaluate_settings(pairs, images, masks, asked, Settings(), jobs=1, boundary_px=2.0)))


def measure(
    scenes: list[Scene], guess: Guess, config: MatteConfig, seeds: int, sheet: Path | None
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the means of IoU, boundary F (2 px) and alpha error, each before and after."""
    rows, strips = [], []
    for seed in range(seeds):
        for number, scene in enumerate(scenes):
            first = guess(scene, np.random.default_rng(1000 * seed + number))
            alpha = refine_matte(scene.image, first, config, Trace()).alpha
            truth, before, after = (each >= 0.5 for each in (scene.alpha, first, alpha))
            rows.append(
                (iou(before, truth), iou(after, truth), boundary_f(before, truth), boundary_f(after, truth),
                 mean_error(first, scene.alpha), mean_error(alpha, scene.alpha))
            )  # fmt: skip
            if sheet and seed == 0:
                strips.append(_strip(scene, first, alpha))
    if sheet:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(sheet), np.vstack(strips)[..., ::-1])
    return np.asarray(np.mean(rows, axis=0))


def mean_error(found: Alpha, truth: Alpha) -> float:
    """Return the mean absolute difference of two alphas, over the pixels where either is not 0."""
    touched = (found > 0) | (truth > 0)
    return float(np.abs(found - truth)[touched].mean()) if touched.any() else 0.0


def read_pairs(folder: Path) -> list[Scene]:
    """Return the pictures of `folder/image` that have a mask of the same name in `folder/mask`."""
    return list(_pairs(folder))


def _pairs(folder: Path) -> Iterator[Scene]:
    for path in sorted((folder / "image").iterdir()):
        image, mask = cv2.imread(str(path)), folder / "mask" / f"{path.stem}.png"
        if image is not None and mask.is_file():
            yield Scene(path.stem, np.ascontiguousarray(image[..., ::-1]), _read_guess(mask, image[..., 0]))


def _read_guess(path: Path, like: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Alpha:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise SystemExit(f"no saliency at {path}")
    size = (like.shape[1], like.shape[0])
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), np.float32) / 255


def _spoiled(kind: str) -> Guess:
    return lambda scene, rng: SPOILINGS[kind](scene.alpha, rng)


def _strip(scene: Scene, first: Alpha, alpha: Alpha) -> Image:
    colors = foreground_colors(scene.image, alpha)
    on_grey = alpha[..., None] * colors + (1 - alpha[..., None]) * np.float32(127.5)
    plain = [np.repeat((each * 255)[..., None], 3, axis=2) for each in (scene.alpha, first, alpha)]
    tiles = [
        cv2.resize(np.asarray(each, np.uint8), (300, 300), interpolation=cv2.INTER_AREA)
        for each in (scene.image, *plain, on_grey)
    ]
    return np.hstack(tiles)


def print_speed() -> None:
    """Print wall and processor time and added peak memory of the presets over three sizes of one drawn photo."""
    scene = draw_scenes()[3]
    print(f"{'preset':9s} {'Mpx':>5s} {'wall s':>7s} {'cpu s':>7s} {'cpu s / Mpx':>12s} {'peak memory +MB':>16s}")
    for preset in PRESETS:
        for width, height in ((2000, 1500), (4000, 3000), (8000, 6000)):
            image = cv2.resize(scene.image, (width, height), interpolation=cv2.INTER_CUBIC)
            first = grid(np.clip(cv2.resize(scene.alpha, (width, height)), 0, 1), np.random.default_rng(0))
            refine_matte(image[:64, :64].copy(), first[:64, :64].copy(), PRESETS[preset], Trace())
            _reset_peak()
            held, wall, processor = _peak_mb(), time.perf_counter(), time.process_time()
            refine_matte(image, first, PRESETS[preset], Trace())
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            pixels = width * height / 1e6
            print(
                f"{preset:9s} {pixels:5.0f} {wall:7.2f} {processor:7.2f} {processor / pixels:12.3f}"
                f" {_peak_mb() - held:16.0f}"
            )


def _reset_peak() -> None:
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")  # Linux: resets the high-water mark to the memory in use


def _peak_mb() -> float:
    """Return the most memory held since the last reset (elsewhere than on Linux: since the start)."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
