"""The progress of a run: a bar on a terminal, a line every few seconds in a log, or JSON for a program."""

import json
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from backend.folders.batch.manifest import Record

LINE_EVERY_S = 5.0
_WINDOW = 100  # pictures over which the rate is taken
_NAMES = 3  # of pictures that failed for one reason


def shown(name: str) -> str:
    """Return `name` for a terminal; control characters, direction marks and bytes that are not UTF-8 are escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in name)


@dataclass
class Reason:
    """Why pictures failed."""

    detail: str | None  # of the first
    count: int = 0
    names: list[str] = field(default_factory=list)  # of some


class Tally:
    """Counts, rate and time left."""

    def __init__(self, recurring: bool = False) -> None:
        """`recurring`: a watched picture that changes comes again and counts once, with its latest state."""
        self.total = self.new = self.finished = 0
        self.states = Counter[str]()
        self.reasons: dict[str, Reason] = {}  # by code
        self._last: dict[str, tuple[str, str]] | None = {} if recurring else None  # by picture: state and code
        self._times: deque[float] = deque(maxlen=_WINDOW)
        self._began = time.monotonic()

    def count(self, record: Record, new: bool) -> None:
        code = record.code or ""
        if self._last is not None:
            self._forget(record.input)
            self._last[record.input] = (record.state, code)
        self.finished += 1
        self.states[record.state] += 1
        if record.state == "failed":
            reason = self.reasons.setdefault(code, Reason(record.detail))
            reason.count += 1
            if len(reason.names) < _NAMES:
                reason.names.append(record.input)
        if new:
            self.new += 1
            self._times.append(time.monotonic())

    def _forget(self, picture: str) -> None:
        """Take back what was counted of a picture."""
        assert self._last is not None
        if picture not in self._last:
            return
        state, code = self._last[picture]
        self.total -= 1
        self.finished -= 1
        self.states[state] -= 1
        if state == "failed":
            reason = self.reasons[code]
            reason.count -= 1
            reason.names = [name for name in reason.names if name != picture]
            if not reason.count:
                del self.reasons[code]

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
        failed = f", {self.states['failed']} failed" if self.states["failed"] else ""
        return f"{self.rate:.2g} per second{left}{failed}"


class Display(Protocol):
    """Shows how many pictures there are and the result of each."""

    tally: Tally

    def expect(self, count: int) -> None: ...

    def add(self, record: Record, new: bool) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Counts and prints nothing."""

    def __init__(self, recurring: bool = False) -> None:
        """`recurring`: pictures may come again."""
        self.tally = Tally(recurring)

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

    def __init__(self, recurring: bool = False) -> None:
        super().__init__(recurring)
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
        counts = {"finished": tally.finished, "total": tally.total, "failures": tally.states["failed"]}
        left = None if tally.left_s is None else round(tally.left_s, 1)
        line = {"event": "picture", **shown_fields, "new": new, **counts, "rate": round(tally.rate, 3), "left_s": left}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def choose_display(quiet: bool, as_json: bool, recurring: bool) -> Display:
    """Return the display for how the command was called; `recurring`: pictures may come again."""
    if as_json:
        return JsonLines(recurring)
    if quiet:
        return Silent(recurring)
    return Bar(recurring) if sys.stderr.isatty() else Lines(recurring)


def summary(tally: Tally, skipped_records: int) -> dict[str, int | float]:
    """Return the run in figures; `skipped_records` are those of the manifest that are not used."""
    counts = tally.states
    states = {state: counts[state] for state in ("done", "failed", "refused")}
    counts_of_run = {"pictures": tally.finished, **states, "new": tally.new, "skipped_records": skipped_records}
    return {**counts_of_run, "seconds": round(tally.seconds, 1)}


def table_of_reasons(tally: Tally) -> str:
    """Return one line per error code: its count, the reason of one picture, and the names of up to three."""
    lines = []
    for code, reason in sorted(tally.reasons.items(), key=lambda item: -item[1].count):
        names = ", ".join(map(shown, reason.names))
        more = f" and {reason.count - len(reason.names)} more" if reason.count > len(reason.names) else ""
        lines.append(f"  {code:24s}{reason.count:6d}  {reason.detail} ({names}{more})")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
