"""Does refinement help real networks? Tables of raw saliency and each quality, over real photos and composites.

python -m benchmarks.refinement --cache DIR                     # u2netp, u2net, isnet-general-use: those that are here
python -m benchmarks.refinement --cache DIR --network u2netp    # one of them; may be given several times
python -m benchmarks.refinement --cache DIR --ablation          # what each stage gains and loses
python -m benchmarks.refinement --cache DIR --grades            # grade against IoU, and the AUC of the points
python -m benchmarks.refinement --cache DIR --opinions          # the networks without refinement, and two together
python -m benchmarks.refinement --cache DIR --sheets OUT        # contact sheets: picture, raw, each quality, truth

The photos are the third of ../shared/photos/dev that the learned refiner never saw, and the nine pairs. Composites are
made from cut-outs, meshes and places that are held out too (training/refiner/compose.py). What the networks answer is
kept in the folder of `--cache`, since one takes seconds a picture.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import cv2
import numpy as np

from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.opinions import disagreement, sureness
from backend.engines.registry import Engines
from backend.folders.datasets.measures import boundary_f, iou
from backend.images.arrays import Alpha, Image, Saliency
from backend.matte.refine.edges import EdgesConfig
from backend.matte.refine.learned import LearnedConfig
from backend.matte.refine.morphology import MorphologyConfig
from backend.matte.refine.refine_matte import CLASSIC, PRESETS, MatteConfig, refine_matte
from backend.matte.refine.softness import SoftnessConfig
from backend.matte.refine.threshold import ThresholdConfig
from backend.pipeline import cut_out
from training.refiner.compose import composite
from training.refiner.sources import Sources, read_rgb

NETWORKS = ("u2net", "u2netp", "isnet-fp16")
SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
COMPOSITES, SEED = 40, 2
LARGE, LARGE_PX = 24, 1600  # composites as large as photos are: what a network of 320 px cannot see in them
TOLERANCE_PX = 2.0
Refinement = Callable[[Image, Saliency], Alpha]


@dataclass(frozen=True)
class Case:
    """A picture with its truth."""

    set: str
    name: str
    image: Image
    truth: Alpha
    effects: tuple[str, ...] = ()  # of a composite: hair, glass, blur

    @property
    def sets(self) -> tuple[str, ...]:
        """The columns of a table in which it counts."""
        return (self.set, *self.effects)


def cases(shared: Path) -> Iterator[Case]:
    """Yield the held-out photos of the development set, the nine pairs, and composites, some of them large."""
    apart = Sources(shared, held_out=True)
    yield from photos(apart)
    yield from pairs(shared)
    for number in range(COMPOSITES):
        image, alpha, effects = composite(np.random.default_rng([SEED, number]), apart)
        yield Case("composites", f"composite_{number:03d}", image, alpha, effects)
    for number in range(LARGE):
        image, alpha, _ = composite(np.random.default_rng([SEED, number]), apart, LARGE_PX)
        yield Case("large", f"large_{number:03d}", image, alpha)


def photos(sources: Sources) -> Iterator[Case]:
    """Yield the photos of `sources`."""
    for path in sources.photos:
        image, mask = sources.photo(path)
        yield Case(path.stem.split("__")[0], path.stem, image, mask)


def pairs(shared: Path) -> Iterator[Case]:
    """Yield the nine reference pairs."""
    for path in sorted((shared / "photos" / "pairs" / "image").iterdir()):
        mask = read_rgb(shared / "photos" / "pairs" / "mask" / f"{path.stem}.png")[:, :, 0]
        yield Case("pairs", path.stem, read_rgb(path), mask.astype(np.float32) / 255)


class Answers:
    """The saliency of a network for each case, kept in a folder."""

    def __init__(self, network: str, folder: Path, engines: Engines) -> None:
        self._network, self._folder, self._engines = network, folder / network, engines
        self._folder.mkdir(parents=True, exist_ok=True)

    def of(self, case: Case) -> Saliency:
        """Return the saliency of `case`, (H, W) float32 in [0, 1]."""
        path = self._folder / f"{case.name}.npy"
        if not path.exists():
            np.save(path, self._engines.segmenter(self._network).predict(case.image).saliency.astype(np.float16))
        saliency: Saliency = np.load(path).astype(np.float32)
        return saliency


def with_config(config: MatteConfig) -> Refinement:
    """Return tier 1 with `config`."""
    return lambda image, saliency: refine_matte(image, saliency, config, Trace()).alpha


def raw(image: Image, saliency: Saliency) -> Alpha:
    """Return the saliency as it is."""
    return saliency


def qualities() -> dict[str, Refinement]:
    """Return what the table compares: the raw answer and every quality."""
    compared = {**PRESETS, "classic": CLASSIC["balanced"]}
    return {"raw": raw, **{name: with_config(config) for name, config in compared.items()}}


def stages() -> dict[str, Refinement]:
    """Return `fast`, `balanced` and `classic`, each also with one of its stages left out."""
    fast, whole, learned = PRESETS["fast"], CLASSIC["balanced"], PRESETS["balanced"]
    changed = {
        "fast": fast,
        "- level": replace(fast, threshold=ThresholdConfig(fixed=0.5)),
        "- components": replace(fast, components=None),
        "- specks": replace(fast, morphology=MorphologyConfig(kernel_size=0)),
        "- hair": replace(fast, softness=SoftnessConfig(unsure_share=10)),  # more than there is
        "- guided filter": replace(fast, edges=EdgesConfig(radius_px=0)),
        "balanced": learned,
        "refiner alone": replace(learned, learned=LearnedConfig(weight=1.0, unsure=0.0)),
        "classic": whole,
        "classic - components": replace(whole, components=None),
        "classic - GrabCut": replace(whole, grabcut=None),
        "classic - glass": replace(whole, see_through=False),
    }
    return {"raw": raw, **{name: with_config(config) for name, config in changed.items()}}


def print_table(refinements: dict[str, Refinement], found: Sequence[Case], answers: Answers, network: str) -> None:
    """Print IoU, boundary F and the mean alpha error of each refinement, by set."""
    sets = columns(found)
    print(f"\n{network:20s}" + "".join(f"{f'{one} ({sum(one in c.sets for c in found)})':>24s}" for one in sets))
    for name, refine in refinements.items():
        rows: dict[str, list[tuple[float, float, float]]] = {one: [] for one in sets}
        for case in found:
            alpha = refine(case.image, answers.of(case))
            mask, truth = alpha >= 0.5, case.truth >= 0.5
            error = float(np.abs(alpha - case.truth).mean())
            figures = (iou(mask, truth), boundary_f(mask, truth, TOLERANCE_PX), error)
            for one in case.sets:
                rows[one].append(figures)
        means = [np.mean(rows[one], axis=0) for one in sets]
        print(f"{name:20s}" + "".join(f"{m[0]:.4f} {m[1]:.3f} {m[2]:.4f}".rjust(24) for m in means), flush=True)


def columns(found: Sequence[Case]) -> list[str]:
    """Return the sets of the cases, then the effects."""
    return list(dict.fromkeys([case.set for case in found] + [one for case in found for one in case.effects]))


def print_opinions(found: Sequence[Case], answers: dict[str, Answers]) -> None:
    """Print IoU and boundary F of each network without refinement, and of the ways to use two of them."""
    sets = columns(found)
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    apart: list[tuple[float, float]] = []  # disagreement of the first two, IoU of the surer
    for case in found:
        said = {network: ones.of(case) for network, ones in answers.items()}
        ways = dict(said)
        for first, second in combinations(said, 2):
            one, other = said[first], said[second]
            pair = f"{first}, {second}"
            ways[f"surer of {pair}"] = other if sureness(other) > sureness(one) else one
            ways[f"mean of {pair}"] = (one + other) / 2
            ways[f"union of {pair}"] = np.maximum(one, other)
            ways[f"both of {pair}"] = np.minimum(one, other)
            ways[f"better of {pair}"] = max((one, other), key=lambda each: iou(each >= 0.5, case.truth >= 0.5))
        if len(said) > 2:
            ways["surest of all"] = max(said.values(), key=sureness)
        for way, saliency in ways.items():
            mask, truth = saliency >= 0.5, case.truth >= 0.5
            rows.setdefault(way, {one: [] for one in sets})[case.set].append(
                (iou(mask, truth), boundary_f(mask, truth, TOLERANCE_PX))
            )
        first, second = list(said.values())[:2]
        better = second if sureness(second) > sureness(first) else first
        apart.append((disagreement(first, second), iou(better >= 0.5, case.truth >= 0.5)))
    print(f"{'':32s}" + "".join(f"{f'{one} ({sum(c.set == one for c in found)})':>20s}" for one in sets))
    for way, row in rows.items():
        means = [np.mean(row[one], axis=0) for one in sets]
        print(f"{way:32s}" + "".join(f"{m[0]:.3f}/{m[1]:.3f}".rjust(20) for m in means))
    figures = np.array(apart)
    for low, high in pairwise((0.0, 0.05, 0.1, 0.2, 0.4, 1.01)):
        inside = figures[(figures[:, 0] >= low) & (figures[:, 0] < high), 1]
        if inside.size:
            print(
                f"the first two differ by {low:.2f} to {min(high, 1):.2f}: {inside.size}, mean IoU {inside.mean():.3f}"
            )


def print_grades(found: Sequence[Case], network: str, engines: Engines) -> None:
    """Print how often each grade was given, the IoU behind it, and how well the points tell bad masks from good."""
    rows = []
    for case in found:
        if case.set in ("composites", "large"):
            continue
        done = cut_out(case.image, MaskOptions(model=network), engines=engines)
        rows.append((done.report.mask.grade, done.report.mask.points, iou(done.alpha >= 0.5, case.truth >= 0.5)))
    values, points = np.array([row[2] for row in rows]), np.array([row[1] for row in rows], np.float64)
    print(f"\n{network}: {len(rows)} photos, AUC of the points for IoU < 0.7: {auc(-points, values < 0.7):.3f}")
    for grade in "ABCDE":
        given = values[[row[0] == grade for row in rows]]
        if given.size:
            print(f"{grade} {given.size:4d}  mean IoU {given.mean():.3f}  under 0.7: {np.mean(given < 0.7):.1%}")
    good = np.array([row[0] in "AB" for row in rows])[values > 0.95]
    print(f"over 0.95: {good.size}, graded A or B: {good.mean():.1%}")


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return the chance that a positive has a higher score than a negative; ties count half."""
    here, there = score[positive][:, None], score[~positive][None]
    return float(((here > there) + 0.5 * (here == there)).mean()) if here.size and there.size else float("nan")


def write_sheets(folder: Path, found: Sequence[Case], answers: Answers, network: str, side: int = 300) -> None:
    """Write a sheet of twelve cases at a time: the picture, then on grey raw, each quality, and the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    strips = []
    for case in found:
        saliency = answers.of(case)
        alphas = [*(refine(case.image, saliency) for refine in qualities().values()), case.truth]
        scale = side / max(case.truth.shape)
        tiles = [case.image, *(on_grey(case.image, alpha) for alpha in alphas)]
        strips.append(np.hstack([_tile(cv2.resize(tile, None, fx=scale, fy=scale), side) for tile in tiles]))
    for first in range(0, len(strips), 12):
        sheet = np.vstack(strips[first : first + 12])
        cv2.imwrite(str(folder / f"{network}_{first:03d}.jpg"), np.ascontiguousarray(sheet[:, :, ::-1]))


def on_grey(image: Image, alpha: Alpha) -> Image:
    """Return the object before a plain grey, (H, W, 3) uint8."""
    return np.asarray(image * alpha[..., None] + 128 * (1 - alpha[..., None]), np.uint8)


def _tile(picture: Image, side: int) -> Image:
    tile = np.zeros((side, side, 3), np.uint8)
    tile[: picture.shape[0], : picture.shape[1]] = picture[:side, :side]
    return tile


def main() -> None:
    """Parse the command line and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="the folder that holds photos/ and train/")
    parser.add_argument("--cache", type=Path, required=True, help="where the networks' answers are kept")
    parser.add_argument("--network", action="append", help="a segmenter by name; may be given several times")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--grades", action="store_true")
    parser.add_argument("--opinions", action="store_true", help="over all photos and pairs")
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()
    engines = Engines(Settings())
    if options.opinions:
        both = [one for part in (True, False) for one in photos(Sources(options.shared, held_out=part))]
        asked = {name: Answers(name, options.cache, engines) for name in options.network or NETWORKS}
        return print_opinions([*both, *pairs(options.shared)], asked)
    found = list(cases(options.shared))
    for network in options.network or NETWORKS:
        answers = Answers(network, options.cache, engines)
        if options.grades:
            print_grades(found, network, engines)
        elif options.sheets:
            write_sheets(options.sheets, found, answers, network)
        else:
            print_table(stages() if options.ablation else qualities(), found, answers, network)


if __name__ == "__main__":
    main()
