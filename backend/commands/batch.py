"""`python -m backend batch IN_DIR -o OUT_DIR`: process a folder or bucket, and resume where an earlier run ended."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from backend.commands.interrupts import Interrupts
from backend.commands.options import result_ending
from backend.commands.progress import counted_progress
from backend.contract.errors import InvalidParameterError, MattemeshError
from backend.contract.options import MatteOptions
from backend.contract.settings import Settings
from backend.contract.work import KINDS
from backend.folders.batch.addresses import check_addresses, open_out, open_source
from backend.folders.batch.inputs import Inputs, find_pictures
from backend.folders.batch.manifest import Manifest
from backend.folders.batch.names import name_results
from backend.folders.batch.out_folder import MANIFEST, REPORT
from backend.folders.batch.outlier_handling import Handling, plan_handling
from backend.folders.batch.picture import BatchConfig, Item
from backend.folders.batch.places import Out, Source
from backend.folders.batch.progress import choose_display, shown, summary, table_of_reasons
from backend.folders.batch.report import report_page
from backend.folders.batch.run import BatchRun
from backend.folders.batch.watch import Resting, waves
from backend.folders.runner import MEMORY_A_JOB

if TYPE_CHECKING:
    from backend.cluster.folder import ClusterRun

MAX_JOBS = 8
NOTHING = Handling()


def batch(parsed: argparse.Namespace, options: MatteOptions, settings: Settings) -> int:
    """Process the folder or bucket `parsed.folder`; return 1 when a picture failed, else 0.

    Raises InvalidParameterError for folders that cannot be used, StorageFullError and ModelUnavailableError, after
    which the same command resumes; KeyboardInterrupt on Ctrl-C and on SIGTERM.
    """
    _check_goes_together(parsed)
    check_addresses(parsed.folder, parsed.out)
    source = open_source(parsed.folder, parsed.out)
    found = None if parsed.watch else _pictures_in(source)
    out = open_out(parsed.out)
    try:
        manifest = Manifest(out)
        print_skipped_records(manifest)
        config = BatchConfig(parsed.kind, options, parsed.min_grade, parsed.quality_handling, parsed.small_pictures)
        check_kind(manifest, config.kind)
        session = _Session(config, settings, parsed, source, out, manifest)
        return session.watch() if found is None else session.once(found)
    finally:
        out.close()


def _check_goes_together(parsed: argparse.Namespace) -> None:
    if parsed.watch and parsed.quality_handling:
        raise InvalidParameterError("--quality-handling compares all pictures; it does not go with --watch.")
    local = isinstance(parsed.folder, Path) and isinstance(parsed.out, Path)
    for flag, given in (("--watch", parsed.watch), ("--quality-handling", parsed.quality_handling)):
        if given and (parsed.cluster or not local):
            raise InvalidParameterError(f"{flag} needs folders of this machine, without --cluster.")


def check_kind(manifest: Manifest, kind: str) -> None:
    """Raise InvalidParameterError where the folder holds results of another kind: they would be replaced."""
    others = manifest.kinds() - {kind}
    if others:
        raise InvalidParameterError(
            f"The folder holds results of {others.pop()}. Name another with -o.", parameter="out"
        )


def print_skipped_records(manifest: Manifest) -> None:
    """Print a line for each record that is not used."""
    for sentence in manifest.sentences:
        print(f"skipped: {MANIFEST}, {shown(sentence)}", file=sys.stderr)
    if more := manifest.skipped - len(manifest.sentences):
        print(f"skipped: {MANIFEST}, {more} more", file=sys.stderr)


def default_jobs(lane: str) -> int:
    """Return how many processes this machine has the cores and the memory for."""
    fits = int(psutil.virtual_memory().available / MEMORY_A_JOB[lane])
    return max(1, min(os.cpu_count() or 1, fits, MAX_JOBS))


class _Session:
    """One run of the command: the pictures, then the summary and the report."""

    def __init__(
        self,
        config: BatchConfig,
        settings: Settings,
        parsed: argparse.Namespace,
        source: Source,
        out: Out,
        manifest: Manifest,
    ) -> None:
        self._config, self._settings, self._parsed = config, settings, parsed
        self._source, self._out, self._manifest = source, out, manifest
        self._quiet, self._json = parsed.quiet, parsed.json
        self._jobs = parsed.jobs or default_jobs(KINDS[config.kind].lane)
        self._ending = result_ending(config.options)
        self._listed: list[str] = []

    def once(self, found: Inputs) -> int:
        """Process what is in the folder now."""
        self._print_skipped(found)
        handling: dict[str, Handling] = {}
        config = self._config
        if config.quality_handling:
            with counted_progress("analysing pictures", self._quiet or self._json) as show:
                handling = plan_handling(
                    self._parsed.folder, self._parsed.out, self._settings, self._jobs, config.small_pictures, show
                )
        self._listed = sorted([*found.pictures, *found.unreadable])
        return self._go(self._do(self._items(self._listed, found, handling)))

    def watch(self) -> int:
        """Process what is in the folder and what is added to it, until Ctrl-C."""
        try:
            return self._go(self._keep_watching())
        except KeyboardInterrupt:  # how this ends
            return int(bool(self._display.tally.states["failed"]))

    def _go(self, work: Coroutine[Any, Any, None]) -> int:
        self._display = choose_display(self._quiet, self._json, recurring=self._parsed.watch)
        try:
            asyncio.run(_ending_at_a_signal(work))
        except MattemeshError:  # printed last; on a full disk there is no room for the report either
            with suppress(MattemeshError):
                self._finish()
            raise
        except KeyboardInterrupt:
            self._finish()
            raise
        self._finish()
        return int(bool(self._display.tally.states["failed"]))

    async def _do(self, items: Iterable[Item]) -> None:
        run = self._new_run()
        try:
            self._display.expect(len(self._listed))
            await run.do(items)
        finally:
            await run.close()

    def _new_run(self) -> "BatchRun | ClusterRun":
        if self._parsed.cluster:
            from backend.cluster.folder import ClusterRun

            return ClusterRun(
                self._parsed.cluster,
                self._config,
                self._settings,
                self._parsed.jobs,
                (self._parsed.folder, self._parsed.out),
                self._source,
                self._out,
                self._manifest,
                self._display,
            )
        return BatchRun(
            self._config, self._settings, self._jobs, self._source, self._out, self._manifest, self._display
        )

    async def _keep_watching(self) -> None:
        folder, out = self._parsed.folder, self._parsed.out
        run = self._new_run()
        found = Inputs()

        def listed() -> list[str]:
            nonlocal found
            found = find_pictures(folder, out)
            return found.pictures

        if not self._quiet:
            print(f"Watching {folder}. Press Ctrl-C to stop.", file=sys.stderr, flush=True)
        try:
            async for due in waves(folder, out, listed, Resting(folder)):
                self._listed = found.pictures
                before = self._display.tally.new
                wanted = set(due)
                items = [item for item in self._items(found.pictures, found, {}) if item.input in wanted]
                self._display.expect(len(items))
                await run.do(items)
                if self._display.tally.new > before:
                    self._write_report()
        finally:
            await run.close()

    def _items(self, listed: list[str], found: Inputs, handling: dict[str, Handling]) -> Iterator[Item]:
        manifest = self._manifest
        for each, name in name_results(listed, self._ending, manifest.name_of, manifest.names(), self._out.taken):
            how = handling.get(each, NOTHING)
            why, stamp = found.unreadable.get(each, ""), found.stamps.get(each, b"").decode()
            yield Item(each, name, why, stamp, how.findings, how.outlier, how.resize_plan)

    def _print_skipped(self, found: Inputs) -> None:
        if self._quiet or self._json:
            return
        for name, why in list(found.skipped.items())[:20]:
            print(f"skipped: {shown(name)}. {why}", file=sys.stderr)
        if found.others or found.hidden:
            print(
                f"skipped: files that are not pictures: {found.others}, hidden files: {found.hidden}", file=sys.stderr
            )

    def _finish(self) -> None:
        self._display.close()
        self._manifest.close()
        tally = self._display.tally
        if not tally.finished:
            return
        figures = summary(tally, self._manifest.skipped)
        if self._json:
            print(json.dumps({"event": "summary", **figures}), flush=True)
        elif not self._quiet:
            self._print(figures)
        self._write_report()
        if not (self._json or self._quiet):
            print(self._out.address(REPORT))

    def _print(self, figures: dict[str, int | float]) -> None:
        tally = self._display.tally
        print(
            f"{tally.finished} of {tally.total} pictures: {figures['done']} done, {figures['failed']} failed, "
            f"{figures['refused']} refused; {tally.new} in this run, in {tally.seconds:.1f} s",
            file=sys.stderr,
        )
        if self._manifest.skipped:
            print(f"records of {MANIFEST} skipped: {self._manifest.skipped}", file=sys.stderr)
        if tally.reasons:
            print(table_of_reasons(tally), file=sys.stderr)

    def _write_report(self) -> None:
        records = filter(None, map(self._manifest.records.get, self._listed))
        title = f"Results of {self._source.title}"
        read = self._out.read_thumbnail
        page = report_page(title, records, len(self._listed), lambda each: read(each.digest, each.key))
        self._out.write_report(page)


def _pictures_in(source: Source) -> Inputs:
    found = source.find()
    if not found.pictures and not found.unreadable:
        raise InvalidParameterError(f"There is no picture in {source.title} or its sub-folders.", parameter="folder")
    return found


async def _ending_at_a_signal(work: Coroutine[Any, Any, None]) -> None:
    """Await `work`; Ctrl-C and SIGTERM cancel it where it awaits something, and raise KeyboardInterrupt once."""
    ended = False
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)

    def end() -> None:
        nonlocal ended
        if not ended:  # a second cancellation would interrupt the tidying up after the first
            ended = True
            task.cancel()

    with ExitStack() as handlers:
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if isinstance(on_ctrl_c, Interrupts):
            handlers.enter_context(on_ctrl_c.calling(lambda: loop.call_soon_threadsafe(end)))  # and wake the loop
        if sys.platform != "win32":
            loop.add_signal_handler(signal.SIGTERM, end)
        try:
            await task
        except asyncio.CancelledError:
            if ended:
                raise KeyboardInterrupt from None
            raise
