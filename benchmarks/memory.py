"""Measures the peak memory of a worker: a megapixel's share by kind and options, and a photo of 49 megapixels.

    python benchmarks/memory.py [--noise 3]

Each figure is the largest resident size (Linux) of a fresh process with the service's own handler, embedded engines and
one drawn photo with a camera's noise. The share of a megapixel is the growth from 12 to 25 megapixels; what does not
grow is the worker itself. With a network, add what its row of docs/models.md takes.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
SIDES_PX = (3500, 5000, 7000)  # 12.25, 25 and 49 megapixels
ROWS: tuple[tuple[str, dict[str, object]], ...] = (
    ("remove-bg", {}),
    ("remove-bg", {"output": "cutout"}),
    ("remove-bg", {"quality": "best", "multi_scale": True}),
    ("remove-bg", {"mode": "document"}),
    ("remove-bg", {"debug": True, "output": "cutout"}),
    ("add-background", {"color": "#ffffff"}),
    ("edit-mask", {}),
    ("generate-mesh", {}),
    ("generate-mesh", {"debug": True}),
)
# One run in a process of its own; prints the resident size before it and the largest one since the start, in kB.
RUN = """
import json, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from backend.contract.settings import Settings
from backend.contract.work import KINDS, Work
from backend.workers.handler import load
kind, options = sys.argv[2], json.loads(sys.argv[3])
files = {"file": Path(sys.argv[4]).read_bytes()}
if kind in ("add-background", "edit-mask"):
    files["mask"] = Path(sys.argv[5]).read_bytes()
def kilobytes(name):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if name in line)
with tempfile.TemporaryDirectory() as folder:
    settings = Settings(checkpoints_dir=folder, data_dir=Path(folder) / "data", cache_bytes=0)
    handler = load(settings, KINDS[kind].lane, False)
    before = kilobytes("VmRSS")
    form = "zip" if options.get("debug") else "file"
    handler.perform(Work(kind, files, KINDS[kind].options(**options), form), lambda stage: None)
print(before, kilobytes("VmHWM"))
"""


def photo(side_px: int, noise: float) -> tuple[bytes, bytes]:
    """Return a square photo as a JPEG, and a mask for it as a PNG."""
    size = (side_px, side_px)
    drawn = Image.open(REPOSITORY / "examples" / "jug.jpg").convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(drawn, np.float32)
    pixels = pixels + noise * np.random.default_rng(1).standard_normal(pixels.shape, np.float32)
    jpeg, mask = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(jpeg, "JPEG", quality=88)
    y, x = np.ogrid[:side_px, :side_px]
    disc = (x - side_px / 2) ** 2 + (y - side_px / 2) ** 2 < (0.4 * side_px) ** 2
    Image.fromarray(disc.astype(np.uint8) * 255).save(mask, "PNG", compress_level=1)
    return jpeg.getvalue(), mask.getvalue()


def measured(kind: str, options: Mapping[str, object], folder: Path, side_px: int) -> tuple[float, float]:
    """Return the process's megabytes before the work, and at most."""
    paths = [str(folder / f"{side_px}.jpg"), str(folder / f"{side_px}.png")]
    command = [sys.executable, "-c", RUN, str(REPOSITORY), kind, json.dumps(options), *paths]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, most = (int(word) * 1024 / 1e6 for word in printed.split())
    return before, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=float, default=3.0, help="standard deviation, in 8-bit steps")
    noise = parser.parse_args().noise
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in SIDES_PX:
            jpeg, mask = photo(side, noise)
            (folder / f"{side}.jpg").write_bytes(jpeg)
            (folder / f"{side}.png").write_bytes(mask)
        print("| work | worker | a megapixel | 49 megapixels |\n|---|---|---|---|")
        for kind, options in ROWS:
            (idle, small), (_, large), (_, most) = [measured(kind, options, folder, side) for side in SIDES_PX]
            share = (large - small) / (25 - 12.25)
            said = " ".join(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in options.items())
            print(
                f"| `{kind} {said}`".rstrip(" `") + f"` | {idle:.0f} MB | {share:.1f} MB | {most:.0f} MB |", flush=True
            )


if __name__ == "__main__":
    main()
