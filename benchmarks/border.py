"""Measures how well, how steadily and how fast the embedded segmenter finds the object.

    python benchmarks/border.py [../shared/photos] [--changes] [--scenes] [--every N] [--sheet sheet.png]

Scores `pairs/` in the folder of photos (image/ and mask/ of the same names): IoU and seconds per picture, and beside
it GrabCut from a rectangle as the measure of what no thought at all reaches. `--changes` repeats the score on the same
pictures mirrored, cropped, rescaled, recoloured, compressed and noisy; `--scenes` scores `cutouts/` laid over drawn
backgrounds (`--every N` takes each Nth); `--sheet` writes the pairs and what was cut out, truth outlined in green.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from backend.engines.border.border import BorderSegmenter  # noqa: E402
from backend.folders.datasets.measures import iou  # noqa: E402
from benchmarks.border_scenes import KINDS, compose_scenes, read_cutouts, through_jpeg  # noqa: E402

Picture = NDArray[np.uint8]
Truth = NDArray[np.bool_]
Pair = tuple[str, Picture, Truth]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "photos")
    parser.add_argument("--changes", action="store_true")
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    pairs = read_pairs(options.photos / "pairs")
    saliencies = score_pairs(pairs)
    if options.sheet:
        write_sheet(options.sheet, pairs, saliencies)
    if options.changes:
        score_changes([pair for pair in pairs if pair[0].endswith(".png")])
    if options.scenes:
        score_scenes(options.photos, options.every)


def read_pairs(folder: Path) -> list[Pair]:
    """Return file name, RGB and truth of every picture in image/ that has a mask of its name."""
    pairs = []
    for path in sorted((folder / "image").iterdir()):
        picture = cv2.imread(str(path))
        truth = cv2.imread(str(folder / "mask" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        if picture is not None and truth is not None:
            pairs.append((path.name, np.ascontiguousarray(picture[..., ::-1]), truth > 127))
    return pairs


def score_pairs(pairs: list[Pair]) -> list[NDArray[np.float32]]:
    """Print one row a picture and the means; return the saliencies."""
    segmenter = BorderSegmenter()
    segmenter.predict(pairs[0][1])  # the first call pays for imports
    scores, naive, saliencies = [], [], []
    print(f"{'picture':32} {'border':>7} {'rectangle':>9} {'seconds':>8}  facts and notes")
    for name, picture, truth in pairs:
        start = time.perf_counter()
        guess = segmenter.predict(picture)
        seconds = time.perf_counter() - start
        scores.append(iou(guess.saliency > 0.5, truth))
        naive.append(iou(_grabcut_rectangle(picture), truth))
        saliencies.append(guess.saliency)
        facts = " ".join(f"{key}={value}" for key, value in guess.facts.items())
        print(f"{name:32} {scores[-1]:7.3f} {naive[-1]:9.3f} {seconds:8.2f}  {facts} {' '.join(guess.notes)}")
    png = [name.endswith(".png") for name, *_ in pairs]
    for label, chosen in (("mean over PNG", png), ("mean over all", [True] * len(pairs))):
        print(f"{label:32} {np.mean(np.array(scores)[chosen]):7.3f} {np.mean(np.array(naive)[chosen]):9.3f}")
    return saliencies


def _grabcut_rectangle(picture: Picture) -> Truth:
    height, width = picture.shape[:2]
    scale = min(1.0, 320 / max(height, width))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    labels = np.zeros((h, w), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    box = (w // 20, h // 20, w - w // 10, h - h // 10)
    cv2.grabCut(small, labels, box, *models, 5, cv2.GC_INIT_WITH_RECT)
    return cv2.resize(labels & 1, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _changes() -> dict[str, Callable[[Picture, Truth], tuple[Picture, Truth]]]:
    """Return what a picture may go through without its object becoming another."""

    def crop(top: float, left: float) -> Callable[[Picture, Truth], tuple[Picture, Truth]]:
        def cut(p: Picture, t: Truth) -> tuple[Picture, Truth]:
            h, w = t.shape
            window = np.s_[round(top * h) : round((0.94 + top) * h), round(left * w) : round((0.94 + left) * w)]
            return np.ascontiguousarray(p[window]), t[window]

        return cut

    def resize(scale: float) -> Callable[[Picture, Truth], tuple[Picture, Truth]]:
        def to(p: Picture, t: Truth) -> tuple[Picture, Truth]:
            h, w = t.shape
            size = round(w * scale), round(h * scale)
            small = cv2.resize(p, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
            return small, cv2.resize(t.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0

        return to

    def tone(gain: tuple[float, float, float], lift: float) -> Callable[[Picture, Truth], tuple[Picture, Truth]]:
        return lambda p, t: (np.clip(p * np.array(gain) + lift, 0, 255).astype(np.uint8), t)

    def noise(p: Picture, t: Truth) -> tuple[Picture, Truth]:
        grain = np.random.default_rng(7).standard_normal(p.shape) * 6
        return np.clip(p + grain, 0, 255).astype(np.uint8), t

    return {
        "as it is": lambda p, t: (p, t),
        "mirrored": lambda p, t: (np.ascontiguousarray(p[:, ::-1]), t[:, ::-1]),
        "upside down": lambda p, t: (np.ascontiguousarray(p[::-1]), t[::-1]),
        "cropped top left": crop(0.06, 0.06),
        "cropped bottom right": crop(0.0, 0.0),
        "0.6 of its size": resize(0.6),
        "1.7 of its size": resize(1.7),
        "warmer": tone((1.05, 1.0, 0.93), 0),
        "darker": tone((0.85, 0.85, 0.85), 0),
        "paler": tone((0.9, 0.9, 0.9), 20),
        "JPEG 70": lambda p, t: (through_jpeg(p, 70), t),
        "noise of 6 levels": noise,
    }


def score_changes(pairs: list[Pair]) -> None:
    segmenter = BorderSegmenter()
    print(f"\n{'change':24} {'mean':>6} {'least':>6}  per picture")
    means = []
    for label, change in _changes().items():
        scores = []
        for _, picture, truth in pairs:
            changed, changed_truth = change(picture, truth)
            scores.append(iou(segmenter.predict(changed).saliency > 0.5, changed_truth))
        means.append(float(np.mean(scores)))
        print(f"{label:24} {means[-1]:6.3f} {min(scores):6.3f}  {' '.join(f'{score:.2f}' for score in scores)}")
    print(f"{'mean':24} {np.mean(means):6.3f} {min(means):6.3f}")


def score_scenes(photos: Path, every: int) -> None:
    segmenter = BorderSegmenter()
    backgrounds = sorted((photos / "scenes").glob("*.jpg"))
    scores: dict[str, list[float]] = {kind: [] for kind in KINDS}
    warned: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    scenes = compose_scenes(read_cutouts(photos / "cutouts"), backgrounds)
    for number, (_, kind, picture, truth) in enumerate(scenes):
        if number % every == 0:
            guess = segmenter.predict(picture)
            scores[kind].append(iou(guess.saliency > 0.5, truth))
            warned[kind].append(bool(guess.notes))
    print(f"\n{'drawn background':24} {'mean':>6} {'median':>6} {'scenes':>6} {'warned':>6}")
    scores["all"] = [score for kind in KINDS for score in scores[kind]]
    warned["all"] = [warning for kind in KINDS for warning in warned[kind]]
    for kind, values in scores.items():
        if values:
            share = np.mean(warned[kind])
            print(f"{kind:24} {np.mean(values):6.3f} {np.median(values):6.3f} {len(values):6} {share:6.2f}")


def write_sheet(path: Path, pairs: list[Pair], saliencies: list[NDArray[np.float32]], width: int = 300) -> None:
    """Write each picture above its cutout on violet, with the truth's outline."""
    tiles = []
    for (_, picture, truth), saliency in zip(pairs, saliencies, strict=True):
        height = round(width * picture.shape[0] / picture.shape[1])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_AREA)[..., None]
        shown = (small * alpha + np.array([110, 40, 150]) * (1 - alpha)).astype(np.uint8)
        outline = cv2.resize(truth.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(outline, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, contours, -1, (0, 255, 0), 1)
        tile = np.zeros((2 * width, width, 3), np.uint8)
        stacked = np.concatenate([small, shown])[: 2 * width]
        tile[: len(stacked)] = stacked
        tiles.append(tile)
    cv2.imwrite(str(path), np.concatenate(tiles, axis=1)[..., ::-1])


if __name__ == "__main__":
    main()
