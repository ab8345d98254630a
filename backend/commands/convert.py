"""`convert`: a finished mesh in another format, frame or size. Nothing heavy is imported before it runs."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from backend.commands.options import add_option, format_named_by, options_of
from backend.contract.errors import InvalidParameterError
from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.options import MeshFileOptions
from backend.contract.settings import Settings


def add_convert(commands: Any) -> None:
    """Add `convert` to the command line, with every option of a mesh's file."""
    about = "write a finished mesh (GLB) in another format, frame or size, without making it again"
    command = commands.add_parser("convert", help=about, description=about)
    command.add_argument("mesh", type=Path, help="the mesh: a GLB as generate-mesh writes it; - for stdin")
    command.add_argument("-o", "--out", type=Path, required=True, help="the result, whose suffix names the format")
    command.add_argument("--report", type=Path, help="write report.json here")
    for name, info in MeshFileOptions.model_fields.items():
        if name != "debug":
            add_option(command, name, info.annotation, info.default, info.description or "")
    command.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from backend.commands.mesh_files import write_mesh
    from backend.commands.streams import (
        STREAM,
        check_overwrites,
        check_result_argument,
        read_picture_argument,
        write_result,
        write_stdout,
    )
    from backend.contract.trace import Trace
    from backend.engines.registry import Engines
    from backend.pipeline import convert_mesh

    if parsed.format is None and parsed.out != STREAM and format_named_by(parsed.out) is None:
        endings = ", ".join(f".{name}" for name in MESH_FORMATS)
        raise InvalidParameterError(
            f"{parsed.out.name} names no format: it ends in none of {endings}.", parameter="out"
        )
    options = options_of(parsed, MeshFileOptions)
    check_overwrites(parsed)
    check_result_argument(parsed.out)
    settings, trace = Settings(), Trace()
    source = read_picture_argument(parsed.mesh, settings.max_upload_bytes)
    made = convert_mesh(source, options, engines=Engines(settings), trace=trace)
    written: tuple[Path, ...] = ()
    if parsed.out == STREAM:
        write_stdout(made.file.data)
    else:
        written = write_mesh(parsed.out, made.file, [parsed.mesh])
    if parsed.report:
        write_result(parsed.report, json.dumps(made.report.as_json(), indent=2).encode())
    for sentence in [*trace.notes, *trace.degradations]:
        print(f"note: {sentence}", file=sys.stderr)
    for path in written:
        print(path)
    return 0
