"""Measures how much fusing with depth helps where depth is right, and how little it harms where it is not.

    python benchmarks/fusion.py [--per-kind 8] [--first-seed 0] [--sheet sheet.png]

One row for each kind of scene: mean IoU of the spoiled segmentation, and the gain of every strategy.
"""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from depth_scenes import Scene, all_scenes

from backend.matte.fusion.fusion import Fused, Strategy, fuse_depth

STRATEGIES: tuple[Strategy, ...] = ("intersection", "union", "depth_guided", "auto")


def iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the intersection over union of two alphas cut at a half."""
    a, b = first > 0.5, second > 0.5
    return float((a & b).sum() / max((a | b).sum(), 1))


def grey(array: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 of an array in [0, 1]."""
    return np.repeat(np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)[..., None], 3, 2)


def strip(scene: Scene, fused: dict[Strategy, Fused]) -> NDArray[np.uint8]:
    """Return one line of the contact sheet: picture, truth, spoiled, disparity, each strategy."""
    depth = (scene.disparity - scene.disparity.min()) / max(float(np.ptp(scene.disparity)), 1e-9)
    cells = [scene.image[..., ::-1], grey(scene.alpha), grey(scene.spoiled), grey(depth)]
    cells += [grey(fused[name].alpha) for name in STRATEGIES]
    line = np.hstack([cv2.resize(cell, (200, 150), interpolation=cv2.INTER_AREA) for cell in cells])
    before = iou(scene.spoiled, scene.alpha)
    figures = " ".join(f"{iou(fused[name].alpha, scene.alpha) - before:+.3f}" for name in STRATEGIES)
    label = f"{scene.name} {before:.3f} {figures} | {fused['auto'].reasons[0][:90]}"
    cv2.putText(line, label, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (60, 60, 255), 1, cv2.LINE_AA)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-kind", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    rows: dict[tuple[bool, str], list[list[float]]] = defaultdict(list)
    lines, spent, count = [], 0.0, 0
    for scene in all_scenes(options.per_kind, options.first_seed):
        start = time.perf_counter()
        fused = {name: fuse_depth(scene.spoiled, scene.disparity, scene.image, strategy=name) for name in STRATEGIES}
        spent, count = spent + time.perf_counter() - start, count + len(STRATEGIES)
        before = iou(scene.spoiled, scene.alpha)
        rows[scene.settled, scene.name].append(
            [before, *(iou(fused[name].alpha, scene.alpha) - before for name in STRATEGIES)]
        )
        lines.append(strip(scene, fused))
    print_table(rows)
    print(f"\n{count // len(STRATEGIES)} scenes, {1000 * spent / max(count, 1):.0f} ms a fusion")
    if options.sheet is not None:
        cv2.imwrite(str(options.sheet), np.vstack(lines))


def print_table(rows: dict[tuple[bool, str], list[list[float]]]) -> None:
    """Print the mean of each kind and of each family; `worst` is auto's worst single scene."""
    print(f"{'kind':28s}{'spoiled':>9s}" + "".join(f"{name:>14s}" for name in STRATEGIES) + f"{'worst':>9s}")
    for settled in (True, False):
        family = [(name, values) for (mine, name), values in rows.items() if mine == settled]
        everything = [value for _, values in family for value in values]
        title = "depth can settle" if settled else "depth cannot settle"
        for name, values in [*family, (f"all that {title}", everything)]:
            mean, worst = np.mean(values, 0), np.min(values, 0)[-1]
            print(f"{name:28s}{mean[0]:9.3f}" + "".join(f"{gain:+14.4f}" for gain in mean[1:]) + f"{worst:+9.3f}")
        print()


if __name__ == "__main__":
    main()
