"""A runner for tests: the service's own lanes, with a thread in place of each worker process."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from backend.contract.runner import AbandonedError, WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, OnStage, Work
from backend.engines.registry import Engines
from backend.workers.messages import Facts
from backend.workers.perform import perform
from backend.workers.process import WorkerConfig
from backend.workers.process_runner import ProcessRunner
from backend.workers.running import Running

Perform = Callable[[Work, OnStage], Done]


class ThreadWorker:
    """Does its work in this process; a stage that never ends cannot be killed here."""

    def __init__(self, perform: Perform, config: WorkerConfig, settings: Settings) -> None:
        self.config, self._perform = config, perform
        self.on_change: Callable[[], None] = lambda: None
        self.ready, self.rest_s = True, None
        self.free_slots = config.concurrency
        self.places, self.facts = config.concurrency, Facts()
        self._threads = ThreadPoolExecutor(config.concurrency)

    def begin(self, work: Work, on_stage: OnStage) -> Running:
        loop, unwanted = asyncio.get_running_loop(), threading.Event()
        running = Running(on_stage, lambda late: unwanted.set())

        def hear(stage: str) -> None:
            if unwanted.is_set():
                raise AbandonedError(stage)
            loop.call_soon_threadsafe(running.hear, stage)

        def job() -> None:
            try:
                outcome = partial(running.succeed, self._perform(work, hear))
            except BaseException as error:
                outcome = partial(running.fail, error)
            with contextlib.suppress(RuntimeError):  # the test has ended
                loop.call_soon_threadsafe(self._end, outcome)

        self.free_slots -= 1
        self._threads.submit(job)
        return running

    def _end(self, notify: Callable[[], None]) -> None:
        self.free_slots += 1
        notify()
        self.on_change()

    def status(self) -> WorkerStatus:
        state = "idle" if self.free_slots == self.config.concurrency else "busy"
        return WorkerStatus(self.config.lane, self.config.index, state)

    def start(self) -> None:
        """Threads start with the first work."""

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class InProcessRunner(ProcessRunner):
    """Runs `perform`, by default the pipeline on engines that this runner's lanes share."""

    def __init__(self, settings: Settings, perform: Perform | None = None) -> None:
        super().__init__(settings, make_worker=partial(ThreadWorker, perform or pipeline(settings)))


def pipeline(settings: Settings) -> Perform:
    """Return what does any work on the engines of `settings`."""
    engines = Engines(settings)
    return lambda work, on_stage: perform(work, engines, on_stage)
