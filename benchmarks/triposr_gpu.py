"""TripoSR on an NVIDIA GPU: time, memory and agreement with float32 on the CPU, for each precision, in one run.

    python benchmarks/triposr_gpu.py [--shared ../shared]

The weights are full size and end at a known figure. Times are medians after two unmeasured rounds, the device waited
for. `code` is the largest difference of the scene code from the CPU's, as a share of its largest number; `iou` compares
the solids on a lattice of 128 points a side.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tsr import TripoSR, TripoSRConfig  # noqa: E402

UNMEASURED = 2


def seconds(work: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """Return what `work` returns and the median time of `rounds`."""
    took = []
    for _ in range(UNMEASURED + rounds):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        result = work()
        torch.cuda.synchronize()
        took.append(time.perf_counter() - begin)
    return result, statistics.median(took[UNMEASURED:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="the reference folder")
    shared = parser.parse_args().shared
    if not torch.cuda.is_available():
        parser.error("This machine has no GPU that torch can use.")
    sys.path[:0] = [str(shared / "bench"), str(shared / "golden")]
    import object_model
    import recipe

    shapes = json.loads((shared / "golden" / "tsr_full.json").read_text())["state"]
    weights = object_model.state_dict(shapes)
    picture = torch.from_numpy(recipe.test_image(512)).permute(2, 0, 1)[None].float() / 255
    side = torch.linspace(-0.87, 0.87, 128)
    points = torch.cartesian_prod(side, side, side)

    exact = loaded(weights, "cpu", "float32")
    reference = exact.encode(picture)[0]
    inside = exact.query(reference, points)[0] > 25
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for precision in ("float32", "bfloat16", "float16"):
        torch.cuda.reset_peak_memory_stats()
        model = loaded(weights, "cuda", precision)
        here = picture.to(model.device)
        codes, encode = seconds(lambda model=model, here=here: model.encode(here), 8)
        _, encode_four = seconds(lambda model=model, here=here: model.encode(here.expand(4, -1, -1, -1)), 4)
        _, extract = seconds(lambda model=model, code=codes[0]: model.extract_mesh(code, resolution=256), 4)
        _, finer = seconds(lambda model=model, code=codes[0]: model.extract_mesh(code, resolution=512), 1)
        code = codes[0].float().cpu()
        other = exact.query(code, points)[0] > 25
        print(
            f"{precision}: encode {encode * 1000:.1f} ms, four together {encode_four * 1000:.1f} ms, extract at 256 "
            f"{extract * 1000:.0f} ms, at 512 {finer * 1000:.0f} ms, peak "
            f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB, code "
            f"{float((code - reference).abs().max() / reference.abs().max()):.1e}, iou "
            f"{float((inside & other).sum() / (inside | other).sum()):.5f}",
            flush=True,
        )


def loaded(weights: dict[str, np.ndarray], device: str, precision: str) -> TripoSR:
    """Return the model with the bench figure's weights."""
    model = TripoSR(TripoSRConfig(), device, precision)
    model.load_published(weights)
    return model


if __name__ == "__main__":
    main()
