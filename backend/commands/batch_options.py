"""The options of `batch`. Nothing heavy is imported before it runs."""

import argparse
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backend.commands.options import add_option
from backend.contract.errors import InvalidParameterError
from backend.contract.options import MaskOptions, MatteOptions, MeshOptions, invalid_option
from backend.contract.settings import Settings

BATCH_KINDS: dict[str, type[MatteOptions]] = {"remove-bg": MaskOptions, "generate-mesh": MeshOptions}


def add_batch(commands: Any) -> None:
    """Add `batch` to the command line, with every option of both kinds."""
    about = "process a whole folder, and resume where an earlier run ended"
    command = commands.add_parser("batch", help=about, description=about)
    command.add_argument(
        "folder", type=_address, metavar="IN_DIR", help="the pictures, sub-folders too; or s3://…, gs://…, abfs://…"
    )
    command.add_argument(
        "-o", "--out", type=_address, required=True, metavar="OUT_DIR", help="where the results go, also a bucket"
    )
    command.add_argument("--kind", choices=list(BATCH_KINDS), default="remove-bg", help="(default: remove-bg)")
    command.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="processes, of all nodes (default: by cores and memory)",
    )
    command.add_argument(
        "--cluster",
        metavar="auto|HOST:PORT",
        help="do the work on the nodes of this Ray cluster, which see the same folders or buckets (docs/cluster.md)",
    )
    command.add_argument(
        "--min-grade", choices=["A", "B", "C", "D"], help="results with a worse grade go to OUT_DIR/review"
    )
    command.add_argument(
        "--quality-handling",
        action="store_true",
        help="handle pictures that `analyze` finds unusual by their findings; their results go to OUT_DIR/outliers",
    )
    command.add_argument(
        "--small-pictures",
        choices=["enlarge", "refuse"],
        default="enlarge",
        help="how quality handling treats pictures that are too small (default: enlarge)",
    )
    command.add_argument(
        "--watch", action="store_true", help="stay and process pictures as they are added, until Ctrl-C"
    )
    command.add_argument("--quiet", action="store_true", help="no progress and no summary")
    command.add_argument(
        "--json", action="store_true", help="print one JSON object per line to stdout instead of progress"
    )
    fields = {name: info for kind in BATCH_KINDS.values() for name, info in kind.model_fields.items()}
    for name, info in fields.items():
        if name == "debug":
            command.add_argument(
                "--debug", action="store_const", const=True, help="write debug bundles (zip) to OUT_DIR/debug"
            )
        else:
            default = None if name == "strategy" else info.default  # which is not the same for both kinds
            add_option(command, name, info.annotation, default, info.description or "")
    command.set_defaults(run=_run)


def options_of(parsed: argparse.Namespace) -> MatteOptions:
    """Return the options for one picture. Raises InvalidParameterError, also for an option of the other kind."""
    kind = BATCH_KINDS[parsed.kind]
    names = {name for each in BATCH_KINDS.values() for name in each.model_fields}
    given = {name: value for name in names if (value := getattr(parsed, name)) is not None}
    other = sorted(name for name in given if name not in kind.model_fields)
    if other:
        flag = "--" + other[0].replace("_", "-")
        raise InvalidParameterError(f"{flag} does not go with --kind {parsed.kind}. Leave it out.", parameter=other[0])
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid_option(error) from error


def _run(parsed: argparse.Namespace) -> int:
    from backend.commands.batch import batch

    return batch(parsed, options_of(parsed), Settings())


def _address(text: str) -> Path | str:
    return text if "://" in text else Path(text)


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 64:
        raise ValueError(text)
    return count
