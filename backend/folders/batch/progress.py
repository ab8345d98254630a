"""The progress of a run: a bar on a terminal, a line every few seconds in a log, or JSON for a program."""

import json
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import asdict
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from backend.folders.batch.manifest import Record

LINE_EVERY_S = 5.0
_WINDOW = 100  # pictures over which the rate is taken


def shown(name: str) -> str:
    """Return `name` for a terminal; control characters, direction marks and bytes that are not UTF-8 are escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in name)


class Tally:
    """Counts, rate and time left."""

    def __init__(self) -> None:
        self.total = self.new = 0
        self.failed: dict[str, Record] = {}  # by picture
        self._states: dict[
            str, str
        ] = {}  # by picture: a watched picture that changes counts once, with its latest state
        self._times: deque[float] = deque(maxlen=_WINDOW)
        self._began = time.monotonic()

    def count(self, record: Record, new: bool) -> None:
        if record.input in self._states:
            self.total -= 1
        self._states[record.input] = record.state
        self.failed.pop(record.input, None)
        if record.state == "failed":
            self.failed[record.input] = record
        if new:
            self.new += 1
            self._times.append(time.monotonic())

    @property
    def finished(self) -> int:
        return len(self._states)

    @property
    def states(self) -> Counter[str]:
        return Counter(self._states.values())

    @property
    def rate(self) -> float:
        """Pictures per second over the last `_WINDOW`; 0 until two are done."""
        lasted = time.monotonic() - self._times[0] if self._times else 0.0
        return (len(self._times) - 1) / lasted if lasted > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        return (self.total - self.finished) / self.rate if self.rate > 0 else None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def line(self) -> str:
        left = "" if self.left_s is None else f", {_duration(self.left_s)} left"
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.rate:.2g} per second{left}{failed}"


class Display(Protocol):
    """Shows how many pictures there are and the result of each."""

    tally: Tally

    def expect(self, count: int) -> None: ...

    def add(self, record: Record, new: bool) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Counts and prints nothing."""

    def __init__(self) -> None:
        self.tally = Tally()

    def expect(self, count: int) -> None:
        """Raise the total by `count` pictures."""
        self.tally.total += count

    def add(self, record: Record, new: bool) -> None:
        """Count a finished picture; not `new`: its earlier result is still valid."""
        self.tally.count(record, new)

    def close(self) -> None:
        """Stop showing progress."""


class Lines(Silent):
    """A line every few seconds, for a log."""

    _last = time.monotonic()

    def add(self, record: Record, new: bool) -> None:
        super().add(record, new)
        if time.monotonic() - self._last > LINE_EVERY_S:
            self._last = time.monotonic()
            sys.stderr.write(f"{self.tally.finished} of {self.tally.total}, {self.tally.line()}\n")


class Bar(Silent):
    """A bar on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[line]}")
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._bar: TaskID = self._progress.add_task("pictures", total=None, line="")
        self._progress.start()

    def add(self, record: Record, new: bool) -> None:
        super().add(record, new)
        tally = self.tally
        self._progress.update(self._bar, completed=tally.finished, total=tally.total, line=tally.line())

    def close(self) -> None:
        self._progress.stop()


class JsonLines(Silent):
    """One JSON object a line on stdout: each picture as it is finished."""

    def add(self, record: Record, new: bool) -> None:
        super().add(record, new)
        tally = self.tally
        shown_fields = {name: value for name, value in asdict(record).items() if value not in (None, "", (), {})}
        counts = {"finished": tally.finished, "total": tally.total, "failures": len(tally.failed)}
        left = None if tally.left_s is None else round(tally.left_s, 1)
        line = {"event": "picture", **shown_fields, "new": new, **counts, "rate": round(tally.rate, 3), "left_s": left}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def choose_display(quiet: bool, as_json: bool) -> Display:
    """Return the display for how the command was called."""
    if as_json:
        return JsonLines()
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


def summary(tally: Tally, skipped_records: int) -> dict[str, int | float]:
    """Return the run in figures; `skipped_records` are those of the manifest that are not used."""
    counts = tally.states
    states = {state: counts[state] for state in ("done", "failed", "refused")}
    counts_of_run = {"pictures": tally.finished, **states, "new": tally.new, "skipped_records": skipped_records}
    return {**counts_of_run, "seconds": round(tally.seconds, 1)}


def table_of_reasons(failed: Iterable[Record]) -> str:
    """Return one line per error code: its count, the reason of one picture, and the names of up to three."""
    groups = defaultdict(list)
    for record in failed:
        groups[record.code or ""].append(record)
    lines = []
    for code, records in sorted(groups.items(), key=lambda item: -len(item[1])):
        names = ", ".join(shown(record.input) for record in records[:3])
        more = f" and {len(records) - 3} more" if len(records) > 3 else ""
        lines.append(f"  {code:24s}{len(records):6d}  {records[0].detail} ({names}{more})")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
