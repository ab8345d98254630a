"""Relief benchmark: time, size and fidelity over the shared cutouts and pairs, and at 12 megapixels.

    python benchmarks/relief.py [--shared ../shared] [--sheets FOLDER]

Times depend on the machine, so they are compared with decoding a 12 Mpx JPEG in the same run.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from backend.mesh.export import export_mesh  # noqa: E402
from backend.mesh.figures import measure  # noqa: E402
from backend.mesh.framing import Framed, frame_object  # noqa: E402
from backend.mesh.placing import place  # noqa: E402
from backend.mesh.preview import contact_sheet  # noqa: E402
from backend.mesh.relief import make_relief  # noqa: E402


def cutouts(shared: Path) -> Iterator[tuple[str, Framed]]:
    """Yield the name and the framed object of each shared picture that has a matte."""
    for path in sorted((shared / "photos" / "cutouts").iterdir()):
        rgba = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if rgba is not None and rgba.ndim == 3 and rgba.shape[2] == 4 and (rgba[..., 3] < 128).any():
            yield path.stem, frame_object(rgba[..., 2::-1].copy(), (rgba[..., 3] / 255.0).astype(np.float32))
    for path in sorted((shared / "photos" / "pairs" / "image").iterdir()):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        mask = cv2.imread(str(shared / "photos" / "pairs" / "mask" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        yield path.stem, frame_object(image[..., ::-1].copy(), (mask / 255.0).astype(np.float32))


def large_photo() -> tuple[np.ndarray, np.ndarray]:
    """Return a 4000 × 3000 picture and the matte of a large disc with a wavy edge."""
    rows, columns = np.mgrid[0:3000, 0:4000].astype(np.float32)
    angle = np.arctan2(rows - 1500, columns - 2000)
    edge = 1350 * (1 + 0.08 * np.sin(7 * angle)) - np.hypot(rows - 1500, columns - 2000)
    coarse = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    return cv2.resize(coarse, (4000, 3000), interpolation=cv2.INTER_CUBIC), np.clip(edge / 3 + 0.5, 0, 1)


def timed(work, repeats: int = 3):
    """Return the best wall-clock time of `repeats` runs, the best processor time, and the result."""
    best, busy = float("inf"), float("inf")
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        result = work()
        best, busy = min(best, time.perf_counter() - start), min(busy, time.process_time() - used)
    return best, busy, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared")
    parser.add_argument("--sheets", type=Path, help="write a picture of each mesh from four sides into this folder")
    arguments = parser.parse_args()

    image, alpha = large_photo()
    jpeg = cv2.imencode(".jpg", image)[1]
    _, decode_busy, _ = timed(lambda: cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
    *frame, framed = timed(lambda: frame_object(image, alpha))
    *relief, built = timed(lambda: make_relief(framed.image, framed.alpha))
    *export, data = timed(lambda: export_mesh(place(built.mesh)))
    *figure, figures = timed(lambda: measure(built.mesh, framed))
    print(f"12 Mpx: {len(built.mesh.faces)} faces, GLB {len(data) / 1e6:.1f} MB, IoU {figures.silhouette_iou:.4f}")
    stages = {"frame": frame, "relief": relief, "export": export, "measure": figure}
    for name, (seconds, busy) in stages.items():
        print(
            f"  {name:8} {seconds:6.3f} s, of processors {busy:6.3f} s: {busy / decode_busy:5.2f} × decoding the JPEG"
        )

    print(f"{'picture':38} {'side':>5} {'faces':>6} {'time':>6} {'GLB kB':>7} {'IoU':>7} closed parts")
    overlaps = []
    for name, framed in cutouts(arguments.shared):
        seconds, _, built = timed(lambda framed=framed: make_relief(framed.image, framed.alpha, None, framed.cut), 1)
        figures = measure(built.mesh, framed)
        overlaps.append(figures.silhouette_iou)
        print(
            f"{name[:38]:38} {len(framed.alpha):5} {figures.faces:6} {seconds:5.2f}s "
            f"{len(export_mesh(place(built.mesh))) // 1000:7} {figures.silhouette_iou:7.4f} "
            f"{figures.watertight and figures.winding_consistent!s:6} {figures.components:5}"
        )
        if arguments.sheets:
            arguments.sheets.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(arguments.sheets / f"{name}.png"), contact_sheet(built.mesh)[..., ::-1])
    print(f"IoU: lowest {min(overlaps):.4f}, mean {np.mean(overlaps):.4f} over {len(overlaps)} pictures")


if __name__ == "__main__":
    main()
