"""Cache benchmark, savings and costs in one run: `python benchmarks/caching.py [--parts results,stages,costs]`.

`results`: a repeated request. `stages`: one option changed, with cached stages and without. `triposr`: the same with
full-size synthetic weights (1.7 GB, written once; needs the reference folder). `costs`: hashing, keeping and finding
arrays of the networks' sizes, raw and compressed. Each row is the best of the rounds.
"""

import argparse
import asyncio
import hashlib
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from backend.cache.cache import Cache, open_cache  # noqa: E402
from backend.cache.results import CachingRunner  # noqa: E402
from backend.cache.stages import open_stages, stage_key  # noqa: E402
from backend.contract.runner import RunnerStatus, ignore_stage  # noqa: E402
from backend.contract.settings import Settings  # noqa: E402
from backend.contract.work import KINDS, Done, OnStage, Work  # noqa: E402
from backend.engines.registry import Engines  # noqa: E402
from backend.workers.perform import perform  # noqa: E402

ROUNDS = 3  # for TripoSR one


def photo(longer_px: int) -> bytes:
    """Return the example jug as a JPEG whose longer side has that size."""
    image = cv2.imread(str(REPOSITORY / "examples" / "jug.jpg"))
    scale = longer_px / max(image.shape[:2])
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", resized)[1].tobytes()


class ThreadRunner:
    """A runner that does the work in a thread of this process."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        return await asyncio.to_thread(perform, work, self._engines, on_stage)

    def start(self) -> None: ...

    def status(self) -> RunnerStatus:
        return RunnerStatus(True, "", (), ())

    def close(self) -> None: ...


def work_of(kind: str, data: bytes, **options: Any) -> Work:
    return Work(kind, {"file": data}, KINDS[kind].options(**options))


def best(work: Callable[[], object]) -> float:
    """Return the shortest time of `work`, in seconds."""
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


def row(label: str, without: float, cached: float) -> None:
    print(f"{label:62}{without * 1e3:10.1f} ms{cached * 1e3:10.1f} ms{without / cached:9.1f} x", flush=True)


def measure_results(settings: Settings) -> None:
    """Compare the work with a repeated request."""
    cache = open_cache(settings)
    assert cache is not None
    runner = CachingRunner(ThreadRunner(Engines(settings)), cache, settings)

    def run(work: Work) -> Done:
        return asyncio.run(runner.run(work))

    for kind in ("remove-bg", "generate-mesh"):
        for longer_px in (1200, 4000):
            work = work_of(kind, photo(longer_px))
            without = best(lambda work=work: run(replace(work, cache="avoid")))  # type: ignore[misc]
            run(work)
            again = best(lambda work=work: run(work))  # type: ignore[misc]
            assert run(work).cache == "hit"
            row(f"{kind}, {longer_px} px long: repeated", without, again)
    runner.close()


def measure_changes(
    settings: Settings, data: bytes, changes: list[tuple[str, dict[str, list[Any]]]], rounds: int = ROUNDS
) -> None:
    """Compare a request with one option changed, without the cache and with the stages of the first request.

    A change has a value for each round, so that no round finds the entries of the one before.
    """
    engines = Engines(settings, open_stages(settings))

    def run(work: Work) -> Done:
        return perform(work, engines, lambda stage: None)

    for kind, change in changes:
        run(work_of(kind, data))
        took = []
        for turn in range(rounds):
            work = work_of(kind, data, **{name: values[turn] for name, values in change.items()})
            start = time.perf_counter()
            run(replace(work, cache="avoid"))
            between = time.perf_counter()
            done = run(work)
            took.append((between - start, time.perf_counter() - between))
        label = f"{kind}, other {', '.join(change)} ({', '.join(done.report['cached'])})"
        row(label, *(min(times) for times in zip(*took, strict=True)))


STAGES: list[tuple[str, dict[str, list[Any]]]] = [
    ("remove-bg", {"quality": ["fast"] * 3}),
    ("remove-bg", {"output": ["cutout"] * 3}),
    ("generate-mesh", {"format": ["obj"] * 3}),
]
TRIPOSR: list[tuple[str, dict[str, list[Any]]]] = [
    ("generate-mesh", {"threshold": [30.0]}),
    ("generate-mesh", {"resolution": [192]}),
    ("generate-mesh", {"format": ["obj"]}),
]


def measure_costs(settings: Settings) -> None:
    """Print the costs of hashing, keeping and finding arrays as large as the stages' own."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3000, 4000, 3), np.uint8)
    print(f"sha256 of a 12 Mpx image: {1e3 * best(lambda: hashlib.sha256(image).digest()):.1f} ms")
    smooth = cv2.resize(rng.random((16, 16), np.float32), (1024, 1024), interpolation=cv2.INTER_CUBIC)
    arrays = {
        "saliency 1024²": (np.clip(smooth * 3 - 1, 0, 1), (1, 3, 1024, 1024)),
        "disparity 518 × 686": (smooth[:518, :686] + rng.random((518, 686), np.float32) * 1e-3, (1, 3, 518, 686)),
        "scene code": (rng.standard_normal((3, 40, 64, 64), np.float32), (512, 512, 3)),
        "coarse lattice": (rng.random(65**3, np.float32), (65**3, 6)),
    }
    cache: Cache | None = open_cache(settings)
    assert cache is not None
    for name, (array, given_shape) in arrays.items():
        given, data = np.zeros(given_shape, np.float32), np.ascontiguousarray(array).tobytes()
        hashed = best(lambda given=given: stage_key("stage", "", given))  # type: ignore[misc]
        kept = best(lambda name=name, data=data: cache.keep(name, {}, [data]))  # type: ignore[misc]
        found = best(lambda name=name: cache.find(name))  # type: ignore[misc]
        packed = zlib.compress(data, 1)
        squeeze = best(lambda data=data: zlib.compress(data, 1))  # type: ignore[misc]
        print(
            f"{name:22}{len(data) / 1e6:6.2f} MB: key {hashed * 1e3:5.1f} ms, keep {kept * 1e3:5.1f} ms, find "
            f"{found * 1e3:5.1f} ms; zlib 1 would take {squeeze * 1e3:6.1f} ms for {len(packed) / len(data):4.0%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="results,stages,costs", help="of results, stages, triposr, costs")
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="the reference folder")
    default = Path(tempfile.gettempdir()) / "triposr-bench"
    parser.add_argument("--weights", type=Path, default=default, help="where TripoSR's bench weights are kept")
    parser.add_argument("--redis", help="use the Redis at this URL in place of a folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), cache_bytes=10**9, cache_url=arguments.redis)
        print(f"{'':62}{'without':>13}{'cached':>13}{'saved':>11}")
        for part in arguments.parts.split(","):
            if part == "results":
                measure_results(settings)
            elif part == "stages":
                measure_changes(settings, photo(1200), STAGES)
                measure_changes(settings, photo(4000), STAGES[:1])
            elif part == "triposr":
                from triposr import build_weights

                weights = build_weights(arguments.shared, arguments.weights)
                measure_changes(settings.model_copy(update={"triposr_weights": weights}), photo(1200), TRIPOSR, 1)
            elif part == "costs":
                measure_costs(settings)
            else:
                parser.error(f"unknown part {part}")


if __name__ == "__main__":
    main()
