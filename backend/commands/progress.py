"""A progress line per stage on a terminal; nothing where stderr is a file or a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from backend.contract.trace import Trace


@contextmanager
def shown_progress(trace: Trace, quiet: bool) -> Iterator[None]:
    """Show each stage of `trace` as it begins and ends, with the time it took."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    columns = SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        running: list[TaskID] = []

        def begin(stage: str) -> None:
            _finish(progress, running)
            running.append(progress.add_task(stage, total=1))

        trace.on_stage = begin
        yield
        _finish(progress, running)


def _finish(progress: Progress, running: list[TaskID]) -> None:
    for task in running:
        progress.update(task, completed=1)
    running.clear()


@contextmanager
def counted_progress(words: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function of (done, total) that draws a bar with the time left."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(words, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
