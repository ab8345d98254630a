"""Result cache: the same files with the same options return the earlier result at once."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from backend.cache.cache import Cache
from backend.cache.identity import models_of, result_key
from backend.cache.single_flight import SingleFlight
from backend.contract.report import StageTime
from backend.contract.runner import Runner, RunnerWrapper, ignore_stage
from backend.contract.settings import Settings
from backend.contract.spool import INLINE_BYTES, SpooledFile, spool_bytes
from backend.contract.work import Done, File, OnStage, Stage, Work, check_result
from backend.weights.remote_services import asks_remote

STORE_TIMEOUT_S = 2.0  # of one step with the store; after it the work continues without the cache
THREADS = 4  # a pool of its own, so that a slow store holds up no other thread
Answer = TypeVar("Answer")


class CachingRunner(RunnerWrapper):
    """A runner that looks up the finished result before it runs the work, and keeps the result of the run. Equal work
    that is asked for meanwhile waits for the same run; a request also for that of a job, whose first file is its own.

    `Done.cache` is `hit` or `miss`. Not kept: failures; results of models that differ from those on disk, because a
    file was exchanged under a running worker; any result while DEBUG_DIR wants a bundle from each run; and results of
    remote services, whose report has to say each time that the picture left this machine.
    """

    def __init__(self, runner: Runner, cache: Cache, settings: Settings) -> None:
        super().__init__(runner)
        self._cache, self._settings = cache, settings
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cache")
        self._flights = SingleFlight()

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        """Return the earlier result of the same work, or the result of running it now. Raises the runner's errors."""
        if work.cache == "avoid" or self._settings.debug_dir is not None or asks_remote(work.options):
            return self._counted(await self._runner.run(work, on_stage))
        start = time.perf_counter()
        key = await self._within_timeout(lambda: self._key(work))
        if key is not None and work.cache == "use":
            kept = await self._within_timeout(lambda: find_result(self._cache, key, self._settings.data_dir / "spool"))
            if kept is not None:
                on_stage("start")
                self._cache.count({"result": "hit"})
                return replace(kept, cache="hit", stages=(Stage("cache", time.perf_counter() - start, "cpu"),))
        if key is None or work.cache != "use":
            return await self._run_and_keep(work, key, on_stage)
        if work.form == "file" and len(self._flights):
            job = replace(work, form="job")
            job_key = await self._within_timeout(lambda: self._key(job))
            if job_key is not None and job_key in self._flights:
                done = await self._flights.run(job_key, lambda heard: self._run_and_keep(job, job_key, heard), on_stage)
                return replace(done, files=done.files[:1])
        return await self._flights.run(key, lambda heard: self._run_and_keep(work, key, heard), on_stage)

    async def _run_and_keep(self, work: Work, key: str | None, on_stage: OnStage) -> Done:
        done = self._counted(await self._runner.run(work, on_stage))
        if key is not None:
            await self._within_timeout(lambda: self._keep(work, key, done))
        return done

    def start(self) -> None:
        self._pool.submit(self._cache.tidy)
        super().start()

    def close(self) -> None:
        super().close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _key(self, work: Work) -> str:
        return result_key(work, models_of(work, self._settings), self._settings)

    def _counted(self, done: Done) -> Done:
        self._cache.count({"result": "miss", **done.stage_caches})
        return replace(done, cache="miss")

    def _keep(self, work: Work, key: str, done: Done) -> None:
        models = models_of(work, self._settings)
        # The models that ran must be those of the key, and still those on disk.
        if result_key(work, models, self._settings) == key and done.models.items() <= models.items():
            keep_result(self._cache, key, done)

    async def _within_timeout(self, step: Callable[[], Answer]) -> Answer | None:
        """Return the answer of `step`, or None when the store takes too long."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return await asyncio.get_running_loop().run_in_executor(self._pool, step)
        except TimeoutError:
            return None


def keep_result(cache: Cache, key: str, done: Done) -> None:
    """Keep `done` under `key`, without what belongs to this one run."""
    header = {
        "files": [{"name": file.name, "media_type": file.media_type} for file in done.files],
        "stages": [asdict(stage) for stage in done.stages],
        "notes": done.notes,
        "report": done.report,
    }
    if sum(file.size for file in done.files) <= cache.max_entry_bytes:  # else it is not even read into memory
        cache.keep(key, header, [file.data for file in done.files])


def find_result(cache: Cache, key: str, spool: Path) -> Done | None:
    """Return the result that is kept under `key`, large files in `spool`; None where there is none of our shape."""
    found = cache.find(key)
    if found is None:
        return None
    header, parts = found
    try:
        kept = KeptResult.model_validate(header)
        files = tuple(_file(row, data, spool) for row, data in zip(kept.files, parts, strict=True))
    except (ValueError, OSError):  # another shape, a name that no result has, or no room for the spool: a miss
        return None
    stages = tuple(Stage(stage.name, stage.seconds, stage.device) for stage in kept.stages)
    return Done(files, stages, tuple(kept.notes), kept.report)


def _file(row: "KeptFile", data: memoryview, spool: Path) -> File | SpooledFile:
    check_result(row.name, row.media_type)
    if len(data) <= INLINE_BYTES:
        return File(row.name, row.media_type, bytes(data))
    return spool_bytes(spool, row.name, row.media_type, data)


class KeptFile(BaseModel):
    """A file of a kept result; its bytes are a part of the entry."""

    model_config = ConfigDict(extra="forbid")

    name: str
    media_type: str


class KeptResult(BaseModel):
    """The header of a kept result."""

    model_config = ConfigDict(extra="forbid")

    files: list[KeptFile] = Field(min_length=1)
    stages: list[StageTime]
    notes: list[str]
    report: dict[str, Any]
