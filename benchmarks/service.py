"""A 12 Mpx JPEG through the running service: seconds a stage, the server's peak memory, and its time to be ready.

    python benchmarks/service.py [--photo FILE] [--runs 5]

A server is started on a free port of this machine with no weights, so everything runs on the embedded engines. Without
a photo an example picture is enlarged to 12 Mpx and given noise. Seconds are the medians of the runs; the ratio to
decoding the same file in this process says more, because machines differ.
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tests.helpers.real_service import running  # noqa: E402

SIZE = (4000, 3000)


def twelve_megapixels(photo: Path) -> bytes:
    """Return `photo` as a JPEG of 4000 × 3000 with a camera's noise."""
    image = np.asarray(Image.open(photo).convert("RGB").resize(SIZE, Image.Resampling.BICUBIC), np.int16)
    noise = np.random.default_rng(1).normal(0, 3, image.shape).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(image + noise, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def peak_memory_mb(pid: int) -> float:
    """Return the largest resident size that the process has had (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def stages_of(answer: httpx.Response) -> dict[str, float]:
    entries = (entry.split(";dur=") for entry in answer.headers["server-timing"].split(", "))
    return {name: float(milliseconds) / 1e3 for name, milliseconds in entries}


def measure(url: str, data: bytes, options: dict[str, str], runs: int) -> tuple[dict[str, float], float]:
    """Return the median seconds of each stage and of the whole exchange."""
    stages: list[dict[str, float]] = []
    whole = []
    for _ in range(runs):
        begin = time.perf_counter()
        answer = httpx.post(url, files={"file": data}, data=options, timeout=120)
        whole.append(time.perf_counter() - begin)
        answer.raise_for_status()
        stages.append(stages_of(answer))
    return {name: statistics.median(s.get(name, 0) for s in stages) for name in stages[0]}, statistics.median(whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=REPOSITORY / "examples" / "jug.jpg")
    parser.add_argument("--runs", type=int, default=5)
    parsed = parser.parse_args()
    data = twelve_megapixels(parsed.photo)
    begin = time.perf_counter()
    np.asarray(Image.open(io.BytesIO(data)))
    decode = time.perf_counter() - begin
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        ready = time.perf_counter() - begin
        print(f"ready after {ready:.1f} s; a {len(data) / 1e6:.1f} MB JPEG of 12 Mpx decodes here in {decode:.2f} s")
        jobs = [
            ("/remove-bg", {}),
            ("/remove-bg", {"quality": "fast"}),
            ("/remove-bg", {"output": "cutout"}),
            ("/generate-mesh", {}),
        ]
        for route, options in jobs:
            stages, whole = measure(service.address + route, data, options, parsed.runs)
            listed = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items() if seconds >= 0.005)
            print(f"{route} {options}: {whole:.2f} s, {whole / decode:.1f} x decoding ({listed})")
            workers = [peak_memory_mb(child.pid) for child in psutil.Process(service.pid).children()]
            listed = " and ".join(f"{peak:.0f}" for peak in workers)
            print(f"    peak memory so far: server {peak_memory_mb(service.pid):.0f} MB, workers {listed} MB")


if __name__ == "__main__":
    main()
