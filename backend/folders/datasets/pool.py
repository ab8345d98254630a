"""A function over many tasks in worker processes: results as they come, and a word for each task that was lost.

A file may crash a decoder or keep it busy for ever; that costs the file, not the run.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, TimeoutError, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

Task = TypeVar("Task")
Result = TypeVar("Result")
AHEAD = 8  # tasks handed out for each worker before the first results are taken: memory does not grow with the tasks


@dataclass(frozen=True)
class Lost:
    """A task without a result, and why, in a sentence."""

    reason: str


def run_all(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, limit_s: float
) -> Iterator[tuple[int, Result | Lost]]:
    """Yield (index of the task, its result) in the order in which they are done; `function` must pickle.

    A task that takes longer than `limit_s`, crashes its process or runs out of memory gives `Lost`. What else
    `function` raises is raised here. Leaving the iteration early, or Ctrl-C, ends the workers.
    """
    jobs = max(1, min(jobs, len(tasks)))
    pool = ProcessPool(
        max_workers=jobs,
        initializer=_prepare_worker,
        initargs=[max(1, (os.cpu_count() or 1) // jobs)],
        context=multiprocessing.get_context("spawn"),
    )
    waiting: dict[Any, int] = {}
    upcoming = iter(range(len(tasks)))
    try:
        with _interrupts_held():  # the workers, which the pool's own threads start, inherit that they hear none
            pool.schedule(_nothing).result()
        while True:
            while len(waiting) < AHEAD * jobs and (index := next(upcoming, None)) is not None:
                waiting[pool.schedule(function, args=[tasks[index]], timeout=limit_s)] = index
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), _result(future, limit_s)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _result(future: Any, limit_s: float) -> Any:
    try:
        return future.result()
    except TimeoutError:
        return Lost(f"It took longer than {limit_s:g} s and was given up.")
    except ProcessExpired:
        return Lost("Looking at it crashed the process that did.")
    except MemoryError:
        return Lost("It did not fit into memory.")


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Put Ctrl-C off until the body is done, in this thread and in the threads and processes that it starts."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # whoever starts it lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """Start the pool."""


def _prepare_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear; it ends the workers
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read by what is imported after this
    import cv2

    cv2.setNumThreads(threads)
