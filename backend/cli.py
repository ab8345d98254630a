"""The command line: the same pipeline, the same options and the same report as over HTTP.

The fields of a request are the options of `remove-bg` and `generate-mesh`, so the two cannot drift apart.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any, cast

from pydantic import ValidationError

from backend.commands.batch_options import add_batch
from backend.commands.convert import add_convert
from backend.commands.datasets import add_analyze, add_evaluate
from backend.commands.options import add_option, options_of, result_ending
from backend.commands.parser import Parser
from backend.commands.replay import add_replay
from backend.contract.errors import MattemeshError, problem_of
from backend.contract.files import translate_write_errors
from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.options import MaskOptions, MatteOptions, MeshOptions
from backend.contract.settings import Settings, invalid_settings
from backend.contract.versions import __version__
from backend.contract.work import File

COMMANDS: dict[type[MatteOptions], str] = {MaskOptions: "remove-bg", MeshOptions: "generate-mesh"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0, 1 for an error, 2 for a wrong call. Raises KeyboardInterrupt."""
    try:
        try:
            parsed = _parser().parse_args(arguments)
            return int(parsed.run(parsed))
        finally:
            sys.stdout.flush()  # else an error would only show at exit
    except MattemeshError as error:
        print(f"{problem_of(error).code}: {error.detail}", file=sys.stderr)
        return 1
    except ValidationError as error:  # a setting in the environment; `options_of` reports wrong options
        print(invalid_settings(error), file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    installed = Path(sys.argv[0]).stem == "mattemesh"
    parser = Parser(
        prog="mattemesh" if installed else "python -m backend",
        description="One photo in, a clean matte and a mesh out.",
    )
    parser.add_argument("--version", action="version", version=f"mattemesh {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_picture_command(commands, MaskOptions, "cut the object out of a photo (PNG)", "mask.png")
    formats = ", ".join(name.upper() for name in MESH_FORMATS)
    _add_picture_command(commands, MeshOptions, f"make a mesh from a photo ({formats})", "model.glb")
    add_convert(commands)
    add_replay(commands)
    add_batch(commands)
    _add_serve(commands)
    _add_cluster(commands)
    _add_models(commands)
    add_analyze(commands)
    add_evaluate(commands)
    doctor = commands.add_parser("doctor", help="versions, devices, and which engines are usable, or why not")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_picture_command(commands: Any, kind: type[MatteOptions], about: str, output: str) -> None:
    command = commands.add_parser(COMMANDS[kind], help=about, description=about)
    command.add_argument(
        "picture", type=Path, help="the photo: JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP; - for stdin"
    )
    command.add_argument("-o", "--out", type=Path, help=f"the result; - for stdout (default: {output})")
    command.add_argument("--mask", type=Path, help="your own mask, white on the object, instead of a segmenter's")
    if kind is MeshOptions:
        command.add_argument(
            "--view", type=_view, action="append", default=[], metavar="DEGREES:PHOTO",
            help="one more photo of the object, from a camera carried so many degrees around it, counter-clockwise"
            " from above: 90 is from the right; may be repeated",
        )  # fmt: skip
    command.add_argument("--report", type=Path, help="write report.json here")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    for field, info in kind.model_fields.items():
        if field == "debug":
            command.add_argument("--debug", type=Path, metavar="FOLDER", help="write the debug bundle into this folder")
            continue
        add_option(command, field, info.annotation, info.default, info.description or "")
    command.set_defaults(run=_run_picture, kind=kind, default_out=Path(output))


def _run_picture(parsed: argparse.Namespace) -> int:
    from backend.bundles.debug_bundle import Bundle
    from backend.bundles.inputs import failure_report, run_inputs, store_files
    from backend.bundles.tape import RunTape
    from backend.commands.mesh_files import write_mesh
    from backend.commands.progress import shown_progress
    from backend.commands.streams import (
        STREAM,
        check_overwrites,
        check_result_argument,
        write_result,
        write_stdout,
    )
    from backend.contract.trace import Trace
    from backend.engines.registry import Engines
    from backend.pipeline import Reconstruction, cut_out, reconstruct

    kind: type[MatteOptions] = parsed.kind
    options = options_of(parsed, kind)
    if isinstance(options, MeshOptions):
        parsed.default_out = Path(f"model.{options.format}")
    else:
        parsed.default_out = parsed.default_out.with_suffix(result_ending(options))
    check_overwrites(parsed)
    parsed.out = parsed.out or parsed.default_out
    check_result_argument(parsed.out)
    settings = Settings()
    sent = _read_arguments(parsed, settings.max_upload_bytes)
    bundle = Bundle(Path(gettempdir())) if parsed.debug else None
    tape = None if bundle is None else RunTape(bundle)
    trace = Trace(None if bundle is None else bundle.add, tape=tape)
    engines, azimuths = Engines(settings), [azimuth for _, azimuth in getattr(parsed, "view", ())]

    def keep_bundle(file: File | None, report: dict[str, Any]) -> None:
        if bundle is None or tape is None:
            return
        stored = store_files(bundle, sent)
        given = run_inputs(COMMANDS[kind], options, stored, tape, run.models, settings, file, azimuths)
        with translate_write_errors(parsed.debug):
            bundle.finish(file, {**report, "inputs": given.model_dump(mode="json")})
            bundle.unpack(parsed.debug)

    with shown_progress(trace, quiet=parsed.quiet), engines.stages.run("avoid") as run:
        more: dict[str, Any] = {"mask": sent.get("mask"), "engines": engines, "trace": trace}
        try:
            if kind is MaskOptions:
                result: Any = cut_out(sent["file"], cast(MaskOptions, options), **more)
            else:
                views = [(sent[f"view-{number}"], azimuth) for number, azimuth in enumerate(azimuths, 1)]
                result = reconstruct(sent["file"], cast(MeshOptions, options), views=views, **more)
        except Exception as error:  # whatever it was: the bundle is what a report of it needs
            with suppress(MattemeshError):
                keep_bundle(None, failure_report(error, trace))
            raise
    file, report = result.file, result.report.as_json()
    written: tuple[Path, ...] = ()
    if parsed.out == STREAM:
        write_stdout(file.data)
    else:
        inputs = [parsed.picture, parsed.mask, *(path for path, _ in getattr(parsed, "view", ()))]
        written = write_mesh(parsed.out, file, inputs)
    if parsed.report:
        write_result(parsed.report, json.dumps(report, indent=2).encode())
    keep_bundle(file, report)
    for sentence in [*trace.notes, *trace.degradations]:
        print(f"note: {sentence}", file=sys.stderr)
    if isinstance(result, Reconstruction) and not parsed.quiet:
        mesh = result.report.mesh
        print(f"mesh: grade {mesh.grade}. {mesh.verdict}; {mesh.faces:,} faces.", file=sys.stderr)
    for path in written:
        print(path)
    return 0


def _read_arguments(parsed: argparse.Namespace, limit: int) -> dict[str, bytes]:
    """Return the bytes of the photo, the mask and the views, by the names that their parts have in a bundle."""
    from backend.commands.streams import read_picture_argument
    from backend.images.open_picture import read_within

    paths = {"file": parsed.picture, "mask": parsed.mask}
    paths |= {f"view-{number}": path for number, (path, _) in enumerate(getattr(parsed, "view", ()), 1)}
    given = {part: path for part, path in paths.items() if path is not None}
    return {part: read_within(read_picture_argument(path, limit), limit) for part, path in given.items()}


def _view(text: str) -> tuple[Path, float]:
    """Return a photo and its azimuth from "90:side.jpg". Raises ValueError, which argparse reports as a wrong call."""
    degrees, _, path = text.partition(":")
    azimuth = float(degrees)
    if not path or not -360 <= azimuth <= 360:
        raise ValueError(text)
    return Path(path), azimuth


def _port(text: str) -> int:
    """Return a TCP port. Raises ValueError, which argparse reports as a wrong call."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


def _add_serve(commands: Any) -> None:
    command = commands.add_parser("serve", help="start the HTTP service")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: only this machine)")
    command.add_argument("--port", type=_port, default=8000, help="0 to 65535 (default: 8000)")
    command.add_argument(
        "--fetch",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="fetch the default weights (about 2 GB) while the service runs",
    )
    command.add_argument(
        "--cluster", metavar="ADDRESS", help="work on a Ray cluster: auto, or HOST:PORT of its head (docs/cluster.md)"
    )
    command.set_defaults(run=_serve)


def _serve(parsed: argparse.Namespace) -> int:
    from backend.commands.serve import serve

    return serve(parsed.host, parsed.port, parsed.fetch, parsed.cluster)


def _add_cluster(commands: Any) -> None:
    command = commands.add_parser("cluster", help="the replicas on a Ray cluster: show, deploy or remove them")
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for action, about in (
        ("status", "show nodes and replicas; status 1 where one kind has none"),
        ("deploy", "have the replicas run as the settings CLUSTER_… say, one after the other"),
        ("remove", "end the replicas, after what they do now"),
    ):
        parser = actions.add_parser(action, help=about, description=about)
        parser.add_argument(
            "--cluster", metavar="ADDRESS", help="auto, or HOST:PORT of the head (default: CLUSTER, or auto)"
        )
        parser.set_defaults(run=_cluster, action=action)


def _cluster(parsed: argparse.Namespace) -> int:
    from backend.commands import cluster

    chosen = parsed.cluster or Settings().cluster or "auto"
    actions = {"status": cluster.status, "deploy": cluster.deploy_all, "remove": cluster.remove_all}
    return actions[parsed.action](Settings(cluster=chosen))


def _add_models(commands: Any) -> None:
    command = commands.add_parser("models", help="list, fetch and verify weights")
    actions = command.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list every model: task, licence, size and state")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=_models, action="list")
    for action, about, default in (
        ("fetch", "fetch weights (resumes)", "what `auto` prefers"),
        ("verify", "compare the sha256 of the weights again", "all that are here"),
    ):
        parser = actions.add_parser(action, help=about)
        parser.add_argument("names", nargs="*", metavar="NAME", help=f"models by name (default: {default})")
        parser.set_defaults(run=_models, action=action)


def _models(parsed: argparse.Namespace) -> int:
    from backend.commands import weights
    from backend.weights.remote_services import with_keys

    settings = Settings()
    checkpoints = settings.checkpoints_dir
    if parsed.action == "list":
        return weights.list_all(checkpoints, as_json=parsed.json, remote_keys=with_keys(settings))
    if parsed.action == "fetch":
        return weights.fetch_all(parsed.names, settings)
    return weights.verify_all(parsed.names, checkpoints)


def _doctor(_: argparse.Namespace) -> int:
    from backend.commands.doctor import examine

    return examine(Settings())
