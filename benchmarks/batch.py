"""Is a folder faster than its pictures one by one? Pictures a second of both, in one run; and memory over the run.

    python benchmarks/batch.py [--pictures 60] [--rounds 2] [--memory 2000]

A small ONNX network (made on the spot) finds the object in drawn photos. One by one means one process, one picture
at a time, with all cores for each; it is the same command with `--jobs 1`. Starting processes is left out: the rate is
taken between the first and the last finished picture. Both take turns within each round; the best round counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
import psutil  # noqa: E402

from tests.helpers.drawn import encoded, toy  # noqa: E402
from tests.helpers.tiny_onnx import write_network  # noqa: E402

MODEL = """
[tiny]
file = "tiny.onnx"
input_size = 320
mean = [0.5, 0.5, 0.5]
std = [1.0, 1.0, 1.0]
activation = "none"
"""


def make_pictures(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Draw `count` photos, all different, as JPEG."""
    folder.mkdir(parents=True)
    image, _ = toy(*size)
    for index in range(count):
        turned = np.roll(image, index % 40, axis=1)
        turned[0, 0] = index % 256, index // 256, 0
        (folder / f"p{index:05d}.jpg").write_bytes(encoded(turned, "JPEG", quality=90))


def run(folder: Path, out: Path, jobs: int, checkpoints: Path, watch_memory: bool = False) -> tuple[float, list[str]]:
    """Return pictures a second between the first and the last, and lines about memory."""
    command = [sys.executable, "-m", "backend", "batch", str(folder), "-o", str(out), "--json", "--jobs", str(jobs)]
    environment = {**os.environ, "CHECKPOINTS_DIR": str(checkpoints)}
    process = subprocess.Popen(
        [*command, "--model", "tiny", "--output", "cutout"], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    times, memory = [], []
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "picture":
            assert event["state"] == "done", event
            times.append(time.perf_counter())
            if watch_memory and len(times) % max(1, event["total"] // 8) == 0:
                family = psutil.Process(process.pid)
                each = [family, *family.children(recursive=True)]
                sizes = [one.memory_info().rss / 2**20 for one in each]
                memory.append(f"{len(times):6d} pictures: " + ", ".join(f"{size:.0f}" for size in sizes) + " MiB")
                print(memory[-1], flush=True)
    assert process.wait() == 0
    return (len(times) - 1) / (times[-1] - times[0]), memory


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", type=int, default=0, help="process this many small pictures and print the memory")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "checkpoints").mkdir()
        (root / "checkpoints" / "models.toml").write_text(MODEL)
        write_network(root / "checkpoints" / "tiny.onnx", weights=(0.0, -20.0, 0.0), bias=-2.0, dynamic=False)
        if arguments.memory:
            make_pictures(root / "many", arguments.memory, (192, 144))
            run(root / "many", root / "many-out", cores, root / "checkpoints", watch_memory=True)
            return
        make_pictures(root / "in", arguments.pictures, (1200, 900))
        best = {1: 0.0, cores: 0.0}
        for turn in range(arguments.rounds):
            for jobs in best:
                rate, _ = run(root / "in", root / f"out-{turn}-{jobs}", jobs, root / "checkpoints")
                best[jobs] = max(best[jobs], rate)
                print(f"round {turn + 1}, {jobs} at a time: {rate:.2f} pictures a second", flush=True)
        print(f"{cores} at a time over one by one: {best[cores] / best[1]:.2f}")


if __name__ == "__main__":
    main()
