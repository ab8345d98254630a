"""kill -9 of a service at any moment: what it promised is there afterwards, and nothing half-written."""

import random
import subprocess
import sys
import time
from pathlib import Path

from backend.contract.settings import REPOSITORY
from backend.jobs.folders import JobFolders
from backend.jobs.local import recover
from backend.jobs.records import ID_PATTERN
from backend.jobs.store import JobStore

# Submits jobs and finishes them, with at most six waiting, and prints the ids that it has promised to keep.
SERVICE = """
import asyncio, sys
from pathlib import Path
from tests.helpers.scripted_runner import ScriptedRunner, done
from backend.jobs.service import Jobs
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings

async def brief(work, on_stage):
    on_stage("start")
    await asyncio.sleep(0.001)
    return done("mask.png", "cutout.png", data=bytes(50_000))

async def main():
    jobs = Jobs(Settings(data_dir=Path(sys.argv[1])), ScriptedRunner(brief))
    await jobs.start()
    while True:
        job, _ = await jobs.submit("remove-bg", {"file": bytes(20_000)}, MaskOptions())
        print(job.id, flush=True)
        while (await jobs.counts()).states["queued"] > 5:
            await asyncio.sleep(0.001)

asyncio.run(main())
"""


def test_kill_9_loses_no_promise_and_shows_nothing_half_written(tmp_path: Path) -> None:
    promised: set[str] = set()
    for seed in range(4):
        dice = random.Random(seed)
        promised |= killed_in_mid_work(tmp_path, dice.randrange(15, 60), dice.uniform(0.0, 0.02))
        root = tmp_path / "jobs"
        before = {path.name for path in (root / "results").iterdir()}
        store, folders = JobStore(root / "jobs.sqlite3"), JobFolders(root)
        recover(store, folders, ttl_s=3600.0)
        jobs = {job_id: job for job_id, job in store.all_jobs() if job is not None}
        store.close()
        assert promised <= set(jobs)
        assert all(job.state in ("queued", "succeeded", "failed") for job in jobs.values())
        assert all(folders.complete(job) for job in jobs.values())
        assert all(job.outcome.problem["code"] == "worker-lost" for job in jobs.values() if job.outcome.problem)
        finished = {job.id for job in jobs.values() if job.state == "succeeded"}
        assert finished <= before and finished == {path.name for path in (root / "results").iterdir()}
        assert {path.name for path in (root / "inputs").iterdir()} == {j.id for j in jobs.values() if not j.final}
        assert not list((root / "partial").iterdir())
    assert len(promised) > 20 and len(finished) > 5


def killed_in_mid_work(folder: Path, count: int, after_s: float) -> set[str]:
    """Run the service, kill it `after_s` after its promise number `count`, and return all that it has promised."""
    command = [sys.executable, "-c", SERVICE, str(folder)]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    time.sleep(after_s)
    process.kill()
    rest, _ = process.communicate(timeout=30)
    return {line for line in ("".join(lines) + rest).split() if ID_PATTERN.fullmatch(line)}
