"""Finished work, kept by its content: the same picture with the same options comes back at once."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, TypeVar

from backend.cache.cache import Cache
from backend.cache.identity import models_of, result_key
from backend.contract.runner import Runner, RunnerWrapper, ignore_stage
from backend.contract.settings import Settings
from backend.contract.work import Done, File, OnStage, Stage, Work
from backend.weights.remote_services import REMOTE_SERVICES

PATIENCE_S = 2.0  # with the store, for one step; then the work is done as if there were none
THREADS = 4  # of their own, so that a slow store holds up nobody else's
Answer = TypeVar("Answer")


class CachingRunner(RunnerWrapper):
    """A runner that looks for the finished result before it hands work on, and keeps what comes of it.

    `Done.cache` says which it was. What fails is not kept, nor is a result of other models than those on the disk (a
    file that was exchanged under a running worker), nor any while each run has to leave its debug bundle, nor what a
    service of others was asked for: its report tells that the picture left this machine, and what for.
    """

    def __init__(self, runner: Runner, cache: Cache, settings: Settings) -> None:
        super().__init__(runner)
        self._cache, self._settings = cache, settings
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cache")

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        """Return what came of the same work before, or what comes of it now; raises as the runner does."""
        if work.cache == "avoid" or self._settings.debug_dir is not None or _leaves(work):
            return self._counted(await self._runner.run(work, on_stage))
        start = time.perf_counter()
        key = await self._patiently(lambda: result_key(work, models_of(work, self._settings), self._settings))
        if key is not None and work.cache == "use":
            kept = await self._patiently(lambda: find_result(self._cache, key))
            if kept is not None:
                on_stage("start")
                self._cache.count({"result": "hit"})
                return replace(kept, cache="hit", stages=(Stage("cache", time.perf_counter() - start, "cpu"),))
        done = self._counted(await self._runner.run(work, on_stage))
        if key is not None:
            await self._patiently(lambda: self._keep(work, key, done))
        return done

    def start(self) -> None:
        self._pool.submit(self._cache.tidy)
        super().start()

    def close(self) -> None:
        super().close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _counted(self, done: Done) -> Done:
        self._cache.count({"result": "miss", **done.stage_caches})
        return replace(done, cache="miss")

    def _keep(self, work: Work, key: str, done: Done) -> None:
        models = models_of(work, self._settings)
        # What took part must be what the key was made of, and still is on the disk.
        if result_key(work, models, self._settings) == key and done.models.items() <= models.items():
            keep_result(self._cache, key, done)

    async def _patiently(self, step: Callable[[], Answer]) -> Answer | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.get_running_loop().run_in_executor(self._pool, step)
        except TimeoutError:
            return None


def _leaves(work: Work) -> bool:
    return getattr(work.options, "model", "") in REMOTE_SERVICES


def keep_result(cache: Cache, key: str, done: Done) -> None:
    """Keep `done` under `key`, all but what is told of this one run."""
    header = {
        "files": [{"name": file.name, "media_type": file.media_type} for file in done.files],
        "stages": [asdict(stage) for stage in done.stages],
        "notes": done.notes,
        "report": done.report,
    }
    cache.keep(key, header, [file.data for file in done.files])


def find_result(cache: Cache, key: str) -> Done | None:
    """Return what was kept under `key`, or None."""
    found = cache.find(key)
    if found is None:
        return None
    header, parts = found
    files = zip(header["files"], parts, strict=True)
    return Done(
        tuple(File(row["name"], row["media_type"], bytes(data)) for row, data in files),
        tuple(Stage(**row) for row in header["stages"]),
        tuple(header["notes"]),
        _report(header),
    )


def _report(header: dict[str, Any]) -> dict[str, Any]:
    report: dict[str, Any] = header["report"]
    return report
