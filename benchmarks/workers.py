"""Measures the cost of worker processes and how soon they refuse: the runner against a thread, in one run.

    python benchmarks/workers.py [--rounds 15]

The same work goes through both in turns: a small mask that was sent along, and a 12 Mpx JPEG with its mask, so that
the way there and back is not lost in the work. Medians; the ratio says more than the seconds, because machines differ.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "benchmarks")]

from service import twelve_megapixels  # noqa: E402

from backend.contract.errors import OverloadedError  # noqa: E402
from backend.contract.options import MaskOptions  # noqa: E402
from backend.contract.settings import Settings  # noqa: E402
from backend.contract.work import Work  # noqa: E402
from backend.workers.process_runner import ProcessRunner  # noqa: E402
from tests.helpers.drawn import encoded, toy  # noqa: E402
from tests.helpers.in_process import InProcessRunner  # noqa: E402

LIGHT = "import backend.main, psutil; print(psutil.Process().memory_info().rss)"


async def compare(rounds: int, folder: Path) -> None:
    settings = Settings(checkpoints_dir=folder, data_dir=folder, cache_bytes=0, mask_deadline_s=300)
    runners = {"thread": InProcessRunner(settings), "process": ProcessRunner(settings)}
    for runner in runners.values():
        runner.start()
    while not runners["process"].status().ready:
        await asyncio.sleep(0.05)
    for row in runners["process"].status().workers:
        print(f"{row.lane} worker: ready after {row.start_s:.1f} s, {(row.memory_bytes or 0) / 1e6:.0f} MB")
    photo, mask = toy()
    jpeg = twelve_megapixels(REPOSITORY / "examples" / "jug.jpg")
    own = encoded((mask * 255).astype("uint8"))
    works = {
        "small mask": Work("remove-bg", {"file": encoded(photo), "mask": own}, MaskOptions()),
        f"12 Mpx JPEG of {len(jpeg) / 1e6:.1f} MB": Work("remove-bg", {"file": jpeg, "mask": own}, MaskOptions()),
    }
    for name, work in works.items():
        seconds: dict[str, list[float]] = {kind: [] for kind in runners}
        for _ in range(rounds):
            for kind, runner in runners.items():
                start = time.perf_counter()
                await runner.run(work)
                seconds[kind].append(time.perf_counter() - start)
        thread, process = (statistics.median(times) for times in seconds.values())
        print(f"{name}: thread {thread * 1e3:.1f} ms, process {process * 1e3:.1f} ms ({process / thread:.2f})")
    await refuse(runners["process"], works["small mask"], settings.max_waiting + 1)
    for runner in runners.values():
        runner.close()


async def refuse(runner: ProcessRunner, work: Work, places: int) -> None:
    """Print how long a full queue takes to say no."""
    tasks = [asyncio.ensure_future(runner.run(work)) for _ in range(places)]
    await asyncio.sleep(0)
    times = []
    for _ in range(100):
        start = time.perf_counter()
        try:
            await runner.run(work)
        except OverloadedError:
            times.append(time.perf_counter() - start)
    print(f"refused {len(times)} of 100: at most {max(times) * 1e3:.2f} ms each")
    await asyncio.gather(*tasks)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    light = subprocess.run([sys.executable, "-c", LIGHT], cwd=REPOSITORY, capture_output=True, text=True)
    print(f"the process that speaks HTTP, after its imports: {int(light.stdout) / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(arguments.rounds, Path(folder)))


if __name__ == "__main__":
    main()
