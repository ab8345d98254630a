"""A runner that counts what goes through it: how much, how it ended, and how long each stage took."""

import asyncio
import time

from backend.api.metrics.recorded import Metrics
from backend.contract.errors import problem_of
from backend.contract.runner import Runner, RunnerAround, unheard
from backend.contract.work import Done, OnStage, Work


class MeteredRunner(RunnerAround):
    """`runner`, told to `metrics`. It stands below the result cache: what a cache answers is no work."""

    def __init__(self, runner: Runner, metrics: Metrics) -> None:
        super().__init__(runner)
        self._metrics = metrics

    async def run(self, work: Work, on_stage: OnStage = unheard) -> Done:
        """Return what comes of `work`; raises as the runner does."""
        start = time.perf_counter()
        try:
            done = await self._runner.run(work, on_stage)
        except asyncio.CancelledError:
            self._metrics.failed(work.kind, "abandoned")
            raise
        except Exception as error:
            self._metrics.failed(work.kind, problem_of(error).code)
            raise
        self._metrics.finished(work.kind, done, time.perf_counter() - start)
        return done
