"""A finished run -> all that it was given, for report.json: files, options, settings, networks, machine."""

import hashlib
import platform
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2

from backend.bundles.debug_bundle import Bundle
from backend.bundles.tape import RunTape
from backend.cache.identity import ABSENT, EMBEDDED, NEUTRAL, REMOTE, build_fingerprint, files_of
from backend.contract.errors import MattemeshError, problem_of
from backend.contract.options import WorkOptions
from backend.contract.report import base_report
from backend.contract.run_inputs import (
    FORM,
    HANDED_TO,
    RUN_STAGES,
    RunInputs,
    StageInputs,
    StoredFile,
    first_reader,
    last_stage,
)
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.weights.digests import digest_of

# Beside those of `NEUTRAL`: what a machine can do and may do is its own affair.
OWN_SETTINGS = frozenset({"device", "threads", "max_upload_bytes", "max_pixels", "max_side_px", "allow_noncommercial"})


def store_files(bundle: Bundle, files: Mapping[str, bytes]) -> dict[str, StoredFile]:
    """Add the files that were sent, by the names of their parts, exactly as they came."""
    return {part: bundle.store(f"inputs/{part}", data) for part, data in files.items()}


def run_inputs(
    kind: str,
    options: WorkOptions,
    files: dict[str, StoredFile],
    tape: RunTape,
    models: Mapping[str, str],
    settings: Settings,
    result: File | None,
    azimuths: Iterable[float] = (),
) -> RunInputs:
    """Return what the run was given that ended with `result`, None where it failed.

    `models`: the fingerprints of the networks that took part.
    """
    values = options.model_dump(mode="json", exclude={"debug"})
    last = RUN_STAGES.index(last_stage(type(options)))
    stages = {
        stage: StageInputs(
            handed=[name for name in tape.handed if name.partition("-")[0] in HANDED_TO[stage]],
            options={
                name: value for name, value in values.items() if min(RUN_STAGES.index(first_reader(name)), last) == at
            },
        )
        for at, stage in enumerate(RUN_STAGES[: last + 1])
    }
    return RunInputs(
        form=FORM,
        kind=kind,
        files=files,
        azimuths=list(azimuths),
        options=options.model_dump(mode="json", exclude={"debug"}, exclude_unset=True),
        settings=recorded_settings(settings),
        stages=stages,
        handed=tape.handed,
        models={name: _digests(name, stamp, settings) for name, stamp in models.items() if stamp != EMBEDDED},
        build=build_fingerprint(),
        machine=machine(),
        result=None if result is None else _result(result),
    )


def _result(file: File) -> StoredFile:
    return StoredFile(name=file.name, bytes=file.size, sha256=hashlib.sha256(file.data).hexdigest())


def failure_report(error: Exception, trace: Trace) -> dict[str, Any]:
    """Return what report.json says of a run that failed: the error, a bug's with its traceback but no home folder."""
    told = {"code": problem_of(error).code, "detail": str(error)}
    if not isinstance(error, MattemeshError):
        lines = "".join(traceback.format_exception(error))
        told["traceback"] = lines.replace(f"{REPOSITORY}/", "").replace(str(Path.home()), "~")
    return {"error": told, **base_report(trace), "stages": [stage.name for stage in trace.stages]}


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """Return the operator's settings that results depend on, but for those of the machine; none of them is secret."""
    return settings.model_dump(mode="json", exclude=set(NEUTRAL | OWN_SETTINGS))


def machine() -> dict[str, str]:
    """Return what of this machine rounding depends on; networks on torch also on whether it multiplies bfloat16."""
    facts = {
        "system": platform.system(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "instructions": cv2.getCPUFeaturesLine(),
    }
    if "torch" in sys.modules:  # it takes seconds to load, and is there where a network of it has run
        from tsr.device import cpu_multiplies_bfloat16

        facts["bfloat16"] = "yes" if cpu_multiplies_bfloat16() else "no"
    return facts


def _digests(name: str, stamp: str, settings: Settings) -> dict[str, str]:
    """Return the sha256 of each file of the network; {} of one that is not here or runs elsewhere."""
    if stamp == ABSENT or stamp.startswith(REMOTE):
        return {}
    return {file.name: digest_of(file) for file in files_of(name, settings) if file.is_file()}
