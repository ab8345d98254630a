"""The options of `analyze` and `evaluate`. Nothing heavy is imported before one of them runs."""

import argparse
import itertools
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backend.commands.options import add_option
from backend.contract.options import MaskOptions, MatteOptions, invalid_option
from backend.contract.settings import Settings
from backend.folders.datasets.thresholds import Thresholds

COMPARED = ("model", "quality", "strategy")


def add_analyze(commands: Any) -> None:
    """Add `analyze` to the command line; every threshold is an option of its name."""
    about = "report what is in a folder of pictures and what to fix (HTML, JSON, CSV)"
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


def add_evaluate(commands: Any) -> None:
    """Add `evaluate` to the command line; what finds the object has the options of the routes."""
    about = "measure the masks of a folder of pictures against true ones (HTML, JSON, CSV)"
    command = commands.add_parser("evaluate", help=about, description=about)
    command.add_argument("--images", type=Path, required=True, metavar="DIR", help="the pictures")
    command.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="their true masks: the same names, white on the object"
    )
    _add_common(command, "evaluation")
    command.add_argument("--sample", type=_positive(int), metavar="N", help="measure N pictures, drawn at random")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the draw (default: 0)")
    command.add_argument(
        "--boundary-px", type=_positive(float), default=2.0, metavar="PX", help="tolerance of boundary F (default: 2)"
    )
    for name in matte_fields():
        info = MaskOptions.model_fields[name]
        about = info.description or ""
        about = f"{about} May be given several times, for a comparison." if name in COMPARED else about
        add_option(command, name, info.annotation, info.default, about, repeated=name in COMPARED)
    command.set_defaults(run=_evaluate)


def matte_fields() -> list[str]:
    """Return the names of the options that decide which matte is found; the rest is about its file."""
    return [name for name in MatteOptions.model_fields if name != "debug"]


def _evaluate(parsed: argparse.Namespace) -> int:
    from backend.commands.evaluate import evaluate

    chosen = [getattr(parsed, name) or [None] for name in COMPARED]
    common = {name: getattr(parsed, name) for name in matte_fields() if name not in COMPARED}
    settings = []
    for values in itertools.product(*(dict.fromkeys(each) for each in chosen)):
        given = {**common, **dict(zip(COMPARED, values, strict=True))}
        try:
            settings.append(MaskOptions.model_validate({key: one for key, one in given.items() if one is not None}))
        except ValidationError as error:
            raise invalid_option(error) from error
    return evaluate(parsed, settings, Settings())


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
