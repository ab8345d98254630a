"""Time, memory and mesh of the TripoSR engine against its own dense float32 path, in one run.

    python benchmarks/triposr.py [--shared ../shared] [--resolution 256] [--rounds 3] [--stages encode,extract]

The weights are full size and end at a known figure. Each variant lives in a process of its own, so that its peak
memory is its own, and the variants take turns, so that a neighbour on the machine disturbs them alike. Wall time is
the best of the rounds; CPU time is what all threads together spent, which a busy machine changes less.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tsr import TripoSR  # noqa: E402

VARIANTS = {"dense float32": ("float32", "dense"), "auto": ("auto", "sparse")}  # precision, extraction


BUILD = """
import json, sys, torch
from safetensors.torch import save_file
shared, path = sys.argv[1:]
sys.path.insert(0, shared + "/bench")
import object_model
shapes = json.load(open(shared + "/golden/tsr_full.json"))["state"]
weights = object_model.state_dict(shapes)
save_file({name: torch.from_numpy(weight).contiguous() for name, weight in weights.items()}, path)
"""


def build_weights(shared: Path, folder: Path) -> Path:
    """Return a folder with the bench figure's full-size weights; they are written once, 1.7 GB."""
    path = folder / "model.safetensors"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, "-c", BUILD, str(shared), str(part)], check=True)
        part.replace(path)
    return folder


def timed(work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


class Worker:
    """A process with one variant. It reads commands from its standard input and answers each with one line of JSON."""

    def __init__(self, name: str, folder: Path, shared: Path, resolution: int) -> None:
        command = [sys.executable, __file__, "--work", name, "--weights", str(folder), "--shared", str(shared)]
        # Threads that spin while they wait take the core from the other processes.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            [*command, "--resolution", str(resolution)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, order: str) -> dict[str, float]:
        """Return the worker's answer to one order."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(order, file=self.process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        return answer


def work(name: str, folder: Path, shared: Path, resolution: int) -> None:
    """Answer orders until the input ends."""
    sys.path.insert(0, str(shared / "golden"))
    import recipe

    precision, method = VARIANTS[name]
    picture = torch.from_numpy(recipe.test_image(512)).permute(2, 0, 1)[None].float() / 255
    kept: dict[str, TripoSR | torch.Tensor] = {}

    def load() -> None:
        kept["model"] = TripoSR.from_pretrained(folder, device="cpu", precision=precision)

    def encode() -> None:
        if method == "dense":
            kept["model"].transformer.prepare()  # the published algorithm does this for every picture, ours at load
        kept["code"] = kept["model"].encode(picture)[0]

    def extract() -> None:
        mesh = kept["model"].extract_mesh(kept["code"], resolution=resolution, method=method)
        np.savez(folder / f"{name}.npz", vertices=mesh.vertices, faces=mesh.faces, colors=mesh.colors)

    def code() -> dict[str, float]:
        np.save(folder / f"{name}.npy", kept["code"].numpy())
        return {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}

    def compare() -> dict[str, float]:
        reference = torch.from_numpy(np.load(folder / "dense float32.npy"))
        return agreement(kept["model"], reference, kept["code"])

    orders = {"load": load, "encode": encode, "extract": extract}
    for line in sys.stdin:
        order = line.strip()
        answer = timed(orders[order]) if order in orders else {"code": code, "compare": compare}[order]()
        print(json.dumps(answer), flush=True)


def agreement(model: TripoSR, reference: torch.Tensor, code: torch.Tensor) -> dict[str, float]:
    """Return how far `code` is from `reference`, and the IoU of the two solids on a lattice of 128 points a side."""
    side = torch.linspace(-model.config.radius, model.config.radius, 128)
    points = torch.cartesian_prod(side, side, side)
    inside, other = (model.query(one, points)[0] > 25.0 for one in (reference, code))
    return {
        "code_difference": float((code - reference).abs().max() / reference.abs().max()),
        "iou": float((inside & other).sum() / (inside | other).sum()),
    }


def measure(arguments: argparse.Namespace) -> None:
    """Print one line a figure: dense float32, auto, and their ratio."""
    folder = build_weights(arguments.shared, arguments.weights)
    workers = {name: Worker(name, folder, arguments.shared, arguments.resolution) for name in VARIANTS}
    best: dict[tuple[str, str], dict[str, float]] = {}
    for order in ["load", *arguments.stages.split(",") * arguments.rounds]:
        for name, worker in workers.items():
            took = worker.ask(order)
            print(f"{order}, {name}: {took['wall']:.2f} s wall, {took['cpu']:.2f} s CPU", flush=True)
            before = best.get((name, order), took)
            best[name, order] = {clock: min(took[clock], before[clock]) for clock in took}
    print(f"{'':10}{'float32 dense':>22}{'auto':>22}{'ratio':>16}   (wall / CPU seconds)")
    total = {name: {"wall": 0.0, "cpu": 0.0} for name in VARIANTS}
    for order in ["load", *arguments.stages.split(",")]:
        slow, fast = (best[name, order] for name in VARIANTS)
        print_row(order, slow, fast)
        if order != "load":
            for name, took in zip(VARIANTS, (slow, fast), strict=True):
                total[name] = {clock: total[name][clock] + took[clock] for clock in took}
    print_row("whole job", *total.values())
    peaks = [worker.ask("code")["peak_gb"] for worker in workers.values()]
    print(f"{'peak GB':10}{peaks[0]:22.2f}{peaks[1]:22.2f}{peaks[1] / peaks[0]:16.2f}")
    print("auto against dense float32:", workers["auto"].ask("compare"))


def print_row(label: str, slow: dict[str, float], fast: dict[str, float]) -> None:
    cells = [f"{took['wall']:.2f} / {took['cpu']:.2f}" for took in (slow, fast)]
    ratio = f"{fast['wall'] / slow['wall']:.3f} / {fast['cpu'] / slow['cpu']:.3f}"
    print(f"{label:10}{cells[0]:>22}{cells[1]:>22}{ratio:>16}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="the reference folder")
    default = Path(tempfile.gettempdir()) / "triposr-bench"
    parser.add_argument("--weights", type=Path, default=default, help="where the bench weights are kept")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stages", default="encode,extract", help="which stages to time")
    parser.add_argument("--work", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.weights, arguments.shared, arguments.resolution)
    else:
        measure(arguments)


if __name__ == "__main__":
    main()
