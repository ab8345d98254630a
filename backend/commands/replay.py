"""`replay`: a debug bundle's run done again from a stage on, to look for a fault or to try other options."""

import argparse
import json
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors
from backend.contract.run_inputs import RUN_STAGES
from backend.contract.settings import Settings


def add_replay(commands: Any) -> None:
    """Add `replay` to the command line."""
    about = "run a debug bundle again from a stage on"
    command = commands.add_parser("replay", help=about, description=about)
    command.add_argument("bundle", type=Path, help="the bundle: a zip, or the folder that --debug or DEBUG_DIR wrote")
    command.add_argument(
        "--from", dest="start", choices=RUN_STAGES, default="refine",
        help="the first stage to run again; what earlier ones handed on comes from the bundle (default: refine)",
    )  # fmt: skip
    command.add_argument(
        "--option", type=_option, action="append", default=[], metavar="NAME=VALUE",
        help="another value for an option of the request, as quality=best; may be repeated",
    )  # fmt: skip
    command.add_argument("-o", "--out", type=Path, help="the result; - for stdout (default: its name in the bundle)")
    command.add_argument("--report", type=Path, help="write report.json here")
    command.add_argument("--debug", type=Path, metavar="FOLDER", help="write the new run's bundle into this folder")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    command.set_defaults(run=_run)


def _option(text: str) -> tuple[str, str]:
    """Return name and value. Raises ValueError, which argparse reports as a wrong call."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(text)
    return name.strip().replace("-", "_"), value


def _run(parsed: argparse.Namespace) -> int:
    from backend.bundles.debug_bundle import Bundle
    from backend.bundles.replay import replay
    from backend.commands.mesh_files import write_mesh
    from backend.commands.progress import shown_progress
    from backend.commands.streams import STREAM, check_result_argument, write_result, write_stdout
    from backend.contract.trace import Trace

    if parsed.out is not None:
        check_result_argument(parsed.out)
    if parsed.debug and parsed.debug.exists() and parsed.bundle.exists() and parsed.debug.samefile(parsed.bundle):
        raise InvalidParameterError("--debug names the bundle itself; name another folder.", parameter="debug")
    bundle = Bundle(Path(gettempdir())) if parsed.debug else None
    trace = Trace(None if bundle is None else bundle.add)
    with shown_progress(trace, quiet=parsed.quiet):
        made = replay(parsed.bundle, parsed.start, dict(parsed.option), Settings(), bundle, trace)
    out = parsed.out or Path(made.file.name)
    written: tuple[Path, ...] = ()
    if out == STREAM:
        write_stdout(made.file.data)
    elif parsed.out is None and out.exists():
        raise InvalidParameterError(f"{out} is there already; name another file with -o.", parameter="out")
    else:
        written = write_mesh(out, made.file, [parsed.bundle])
    report = made.report.as_json()
    if bundle is not None:
        report["inputs"] = made.inputs.model_dump(mode="json")
        with translate_write_errors(parsed.debug):
            bundle.finish(made.file, report)
            bundle.unpack(parsed.debug)
    if parsed.report:
        write_result(parsed.report, json.dumps(report, indent=2).encode())
    for sentence in [*made.trace.notes, *made.trace.degradations]:
        print(f"note: {sentence}", file=sys.stderr)
    _tell(made, dict(parsed.option))
    for path in written:
        print(path)
    return 0


def _tell(made: Any, changes: dict[str, str]) -> None:
    """Say what was taken from the bundle, what differs, and whether the bytes are the bundle's."""
    print(f"replay: from the bundle: {', '.join(['what was sent', *made.taken])}.", file=sys.stderr)
    for sentence in made.differences:
        print(f"replay: {sentence}.", file=sys.stderr)
    if made.same is None:
        verdict = "The bundle's run had failed, and this one has not."
    elif made.same:
        verdict = "The result has the same bytes as the bundle's."
    elif changes:
        options = ", ".join(f"{name}={value}" for name, value in changes.items())
        verdict = f"The result is another one, with {options}."
    elif made.differences:
        verdict = "The result has other bytes than the bundle's; the same are only promised where nothing differs."
    else:
        verdict = "The result has other bytes than the bundle's, and nothing known differs: this is a bug."
    print(f"replay: {verdict}", file=sys.stderr)
