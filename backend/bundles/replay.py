"""A debug bundle and a stage in, its run done again from there: with the same bytes where nothing has changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backend.bundles.archive import Archive, KeptHandovers, read_inputs
from backend.bundles.debug_bundle import Bundle
from backend.bundles.inputs import recorded_settings, run_inputs, store_files
from backend.bundles.tape import RunTape
from backend.contract.errors import InvalidParameterError
from backend.contract.mesh_presets import MESH_PRESETS
from backend.contract.options import WorkOptions, invalid_option
from backend.contract.report import Report
from backend.contract.run_inputs import RUN_STAGES, RunInputs, RunStage, first_reader, handed_before, last_stage
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.contract.versions import versions
from backend.contract.work import KINDS, File, Kind
from backend.engines.registry import Engines
from backend.weights.remote_services import asks_remote

BFLOAT16 = "one of the two machines multiplies bfloat16 and the other does not, so networks on torch round otherwise"
INSTRUCTIONS = "the processors have other instructions, which may round otherwise"


@dataclass(frozen=True)
class Replayed:
    """What came of the run, and what of it is not as it was in the bundle."""

    file: File
    report: Report
    inputs: RunInputs
    trace: Trace
    taken: tuple[str, ...]  # what earlier stages had handed on
    same: bool | None  # whether the file has the bytes of the bundle's; None where that run had failed
    differences: tuple[str, ...]  # why it may have others, where no option was changed


def replay(
    path: Path,
    start: RunStage,
    changes: Mapping[str, str],
    settings: Settings,
    bundle: Bundle | None = None,
    trace: Trace | None = None,
) -> Replayed:
    """Return what comes of the bundle's run from the stage `start` on, with the options that `changes` sets anew.

    Raises InvalidParameterError for what is no bundle of ours, for a stage that its work does not have, and for an
    option that an earlier stage reads; and what the work itself raises.
    """
    trace = trace or Trace()
    with Archive(path) as archive:
        inputs, old_versions = read_inputs(archive)
        kind = _kind(inputs, start)
        options = _options(kind, inputs, start, changes)
        files = {part: archive.read_stored(file, settings.max_upload_bytes) for part, file in inputs.files.items()}
        arguments = _arguments(kind, inputs, files)
        if start == "segment" and asks_remote(options) and "model" not in changes:
            raise InvalidParameterError(
                "This run has sent its photo to a remote service; to send it again, name the service: --option "
                f"model={getattr(options, 'model', '')}.",
                parameter="model",
            )
        engines = Engines(_settings(inputs, settings))
        wanted = handed_before(start)
        tape = trace.tape = RunTape(bundle, KeptHandovers(archive, inputs, wanted))
        module, name = kind.run.split(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        with engines.stages.run("avoid") as run:
            made = function(**arguments, options=options, engines=engines, trace=trace)
        stored = inputs.files if bundle is None else store_files(bundle, files)
        now = run_inputs(
            inputs.kind, options, stored, tape, run.models, engines.settings, made.file, azimuths=inputs.azimuths
        )
        computed = [name for name in tape.made if name.partition("-")[0] in wanted]
        differences = tuple(_differences(inputs, now, old_versions, computed, all_models=start == "segment"))
        same = None if inputs.result is None else now.result == inputs.result
        return Replayed(made.file, made.report, now, trace, tuple(tape.taken), same, differences)


def _kind(inputs: RunInputs, start: RunStage) -> Kind:
    kind = KINDS.get(inputs.kind)
    if kind is None:
        raise InvalidParameterError(f"`{inputs.kind[:40]}`, the bundle's kind, is not known here.", parameter="bundle")
    stages = RUN_STAGES[: RUN_STAGES.index(last_stage(kind.options)) + 1]
    if start not in stages:
        raise InvalidParameterError(
            f"The bundle is of {inputs.kind}, which has no stage `{start}`; it has {', '.join(stages)}.",
            parameter="from",
        )
    return kind


def _options(kind: Kind, inputs: RunInputs, start: RunStage, changes: Mapping[str, str]) -> WorkOptions:
    """Return the options of the bundle's run with the `changes`."""
    for name in changes:
        if name not in kind.options.model_fields or name == "debug":
            raise InvalidParameterError(f"{inputs.kind} has no option `{name[:40]}`.", parameter=name[:40])
        reader = first_reader(name)
        if RUN_STAGES.index(reader) < RUN_STAGES.index(start):
            raise InvalidParameterError(
                f"The option `{name}` is read by `{reader}`, which is before `{start}`: use --from {reader}.",
                parameter=name,
            )
    given = dict(inputs.options)
    if "preset" in changes and (old := MESH_PRESETS.get(str(given.get("preset")))):
        given = {name: value for name, value in given.items() if old.options.get(name) != value}
    if {"height_mm", "height_m"} & changes.keys():  # only one of the two may be given
        given = {name: value for name, value in given.items() if name not in ("height_mm", "height_m")}
    try:
        return kind.options.model_validate({**given, **changes})
    except ValidationError as error:
        raise invalid_option(error) from error


def _settings(inputs: RunInputs, settings: Settings) -> Settings:
    """Return this machine's settings with those of the bundle that results depend on."""
    known = {name: value for name, value in inputs.settings.items() if name in recorded_settings(settings)}
    try:
        return type(settings).model_validate({**dict(settings), **known})
    except ValidationError as error:
        raise InvalidParameterError("The bundle's settings cannot be used.", parameter="bundle") from error


def _arguments(kind: Kind, inputs: RunInputs, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the files as the kind's function takes them."""
    arguments: dict[str, Any] = {argument: files.get(part) for part, argument in kind.files.items()}
    views = [files.get(f"view-{number}") for number in range(1, len(inputs.azimuths) + 1)]
    if any(part not in files for part in kind.required) or None in views:
        raise InvalidParameterError("The bundle lacks a file that its run was given.", parameter="bundle")
    if views:
        arguments["views"] = list(zip(views, inputs.azimuths, strict=True))
    return arguments


def _differences(
    old: RunInputs, new: RunInputs, old_versions: Mapping[str, str], computed: list[str], *, all_models: bool
) -> Iterator[str]:
    """Yield what is not as it was when the bundle was made, of what the bytes depend on."""
    here = versions()
    changed = [name for name in sorted({*old_versions, *here}) if old_versions.get(name) != here.get(name)]
    for name in changed:
        yield f"{name} is {here.get(name, 'absent')}, and was {old_versions.get(name, 'absent')}"
    if old.build != new.build and not changed:
        yield "the code of Mattemesh, or a network that ships with it, is another one"
    for name in old.machine.keys() & new.machine.keys():
        if old.machine[name] != new.machine[name]:
            told = {"bfloat16": BFLOAT16, "instructions": INSTRUCTIONS}
            yield told.get(name, f"{name} is {new.machine[name][:40]}, and was {old.machine[name][:40]}")
    for name in sorted(new.models.keys() | (old.models.keys() if all_models else set())):
        before, now = old.models.get(name), new.models.get(name)
        if before != now:
            yield f"the network {name[:60]} " + ("is not here" if not now else "is another one, or was not there")
    for name in sorted(old.settings.keys() - new.settings.keys()):
        yield f"the setting {name[:40]} is not known here"
    for name in computed:
        yield f"the bundle has no `{name}`, so it was made here"
