"""Measures the cost of `mode=document`, and how well it separates ink from paper.

    python benchmarks/documents.py [--shared ../shared] [--sheet out.png]

Drawn signatures and stamps with exact truth on flat, gradient, shadowed and textured paper with camera noise: F of the
ink. Then steps 1 and 3 (the border's colour; shading, paper and ink) on a 12 megapixel picture beside the time that
decoding it takes, best of five. With the reference pictures beside the checkout, a sheet of what became of them.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from backend.contract.options import MaskOptions  # noqa: E402
from backend.contract.settings import Settings  # noqa: E402
from backend.contract.trace import Trace  # noqa: E402
from backend.engines.registry import Engines  # noqa: E402
from backend.images.image_io import Picture  # noqa: E402
from backend.images.open_picture import open_picture  # noqa: E402
from backend.matte.documents.document import find_document  # noqa: E402
from backend.matte.documents.perimeter import measure_perimeter  # noqa: E402
from backend.pipeline import cut_out  # noqa: E402
from tests.helpers.document_scenes import (  # noqa: E402
    INKS,
    LIGHTS,
    f_score,
    photographed,
    ring_stamp,
    signature,
    solid_stamp,
)

DRAWN = {"signature": signature, "ring stamp": ring_stamp, "solid stamp": solid_stamp}


def measure_quality() -> None:
    print(f"{'F, worst ink of five':22}" + "".join(f"{light:>12}" for light in LIGHTS))
    for name, draw in DRAWN.items():
        worst = []
        for light in LIGHTS:
            scores = []
            for seed, ink in enumerate(INKS.values()):
                truth = draw(600, 900, seed)
                photo = photographed(truth, ink, light, seed)
                alpha = cut_out(photo, MaskOptions(mode="document")).alpha
                scores.append(f_score(alpha >= 0.5, truth >= 0.5))
            worst.append(min(scores))
        print(f"{name:22}" + "".join(f"{score:12.3f}" for score in worst))


def best(call: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of some runs, in milliseconds."""
    runs = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        runs.append(time.perf_counter() - start)
    return 1e3 * min(runs)


def measure_time() -> None:
    engines, options = Engines(Settings()), MaskOptions(mode="document")
    for light in ("flat", "shadow"):
        image = photographed(signature(3000, 4000, 1), INKS["blue"], light, 1)
        jpeg = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
        picture = Picture(image, None, "jpeg", (3000, 4000))
        first = best(lambda image=image: measure_perimeter(image))
        third = best(lambda picture=picture: find_document(picture, None, options, engines, Trace()))
        decode = best(lambda jpeg=jpeg: open_picture(jpeg, engines.settings))
        print(
            f"12 Mpx, {light}: step 1 {first:.1f} ms, step 3 {third:.0f} ms, "
            f"{(first + third) / decode:.2f} of decoding the JPEG ({decode:.0f} ms)"
        )


def draw_sheet(folder: Path, path: Path) -> None:
    rows = []
    for file in sorted(folder.iterdir()):
        result = cut_out(file, MaskOptions(mode="document", background="#ffffff"))
        on_white = cv2.imdecode(np.frombuffer(result.file.data, np.uint8), cv2.IMREAD_COLOR)
        before = open_picture(file, Settings()).image[..., ::-1]
        rows.append(np.hstack([_tile(before), _tile(on_white)]))
    rows += [np.full_like(rows[0], 128)] * (-len(rows) % 2)
    cv2.imwrite(str(path), np.vstack([np.hstack(rows[start : start + 2]) for start in range(0, len(rows), 2)]))


def _tile(image: np.ndarray) -> np.ndarray:
    scale = min(420 / image.shape[1], 280 / image.shape[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((280, 420, 3), 128, np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    return tile


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared")
    parser.add_argument("--sheet", type=Path, help="where a sheet of the reference documents goes")
    parsed = parser.parse_args()
    measure_quality()
    measure_time()
    if parsed.sheet is not None:
        draw_sheet(parsed.shared / "photos" / "documents", parsed.sheet)
