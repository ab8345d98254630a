"""The options of `analyze` and `evaluate`. Nothing heavy is imported before one of them runs."""

import argparse
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from backend.datasets.thresholds import Thresholds
from backend.settings import Settings


def add_analyze(commands: Any) -> None:
    """Add `analyze` to the command line; every threshold is an option of its name."""
    about = "tell what is in a folder of pictures, and what to fix (HTML, JSON, CSV)"
    command = commands.add_parser("analyze", help=about, description=about)
    command.add_argument("folder", type=Path, metavar="DIR", help="the folder; its sub-folders are categories")
    _add_common(command, "analysis")
    for each in fields(Thresholds):
        flag = "--" + each.name.replace("_", "-")
        shown = f"{each.metadata['about']} (default: {each.default})"
        command.add_argument(flag, type=_positive(each.type), default=each.default, metavar="N", help=shown)
    command.set_defaults(run=_analyze)


def _analyze(parsed: argparse.Namespace) -> int:
    from backend.commands.analyze import analyze

    thresholds = Thresholds(**{each.name: getattr(parsed, each.name) for each in fields(Thresholds)})
    return analyze(parsed.folder, parsed.out, thresholds, Settings(), parsed.jobs, parsed.quiet)


def _add_common(command: argparse.ArgumentParser, out: str) -> None:
    command.add_argument(
        "-o", "--out", type=Path, default=Path(out), metavar="OUT", help=f"where results go (default: {out})"
    )
    jobs = min(os.cpu_count() or 1, 8)
    command.add_argument(
        "--jobs", type=_positive(int), default=jobs, metavar="N", help=f"pictures at a time (default: {jobs})"
    )
    command.add_argument("--quiet", action="store_true", help="no progress and no summary")


def _positive(kind: Any) -> Any:
    """Return a reader of numbers above 0, whole ones where `kind` is int."""

    def number(text: str) -> float:
        value: float = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError(text)
        return value

    return number
