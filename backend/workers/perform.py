"""Work in, Done out: the pipeline call that the kind stands for, and its files in the form that was asked for.

This is the worker's side of `backend.contract.work`; only processes that run networks import it.
"""

import base64
import json
import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from backend.contract.report import Report
from backend.contract.trace import Trace
from backend.contract.work import KINDS, Done, File, Form, OnStage, Work
from backend.engines.registry import Engines
from backend.pipeline import Cutout, Reconstruction
from backend.workers.debug_bundle import bundle_files, write_folder, write_zip
from backend.workers.job_files import DEPTH_PICTURES, job_files

logger = logging.getLogger("mattemesh")


class Made(Protocol):
    """The result of every pipeline call: a finished file and its report."""

    @property
    def file(self) -> File: ...

    @property
    def report(self) -> Report: ...


def perform(work: Work, engines: Engines, on_stage: OnStage) -> Done:
    """Return what comes of `work`; `on_stage` hears each stage begin and may raise to stop there.

    Raises the errors of `backend.contract.errors`.
    """
    folder = engines.settings.debug_dir
    wanted = DEPTH_PICTURES if work.form == "job" else ()
    trace = Trace(work.options.debug or folder is not None, on_stage, wanted)
    with engines.stages.run(work.cache) as run:
        made = _run(work, engines, trace)
    cached = [stage for stage, outcome in run.outcomes.items() if outcome == "hit"]
    report = made.report.model_copy(update={"cached": cached}).as_json()
    if folder is not None:
        try:
            write_folder(bundle_files(made.file, report, trace), folder, work.name)
        except OSError as error:  # a full disk costs the bundle, not the result
            logger.error("the debug bundle of %s cannot be written: %s", work.name, error.strerror)
    if work.form == "job" and isinstance(made, Cutout | Reconstruction):
        files = job_files(made, report, trace, work.options.debug)
    else:
        files = (_packed(made.file, report, trace, work.form),)
    notes = (*trace.notes, *trace.degradations)
    return Done(files, tuple(trace.stages), notes, report, stage_caches=run.outcomes, models=run.models)


def _run(work: Work, engines: Engines, trace: Trace) -> Made:
    """Call the function that the kind's row in `KINDS` names."""
    kind = KINDS[work.kind]
    module, name = kind.run.split(":")
    function: Callable[..., Made] = getattr(import_module(module), name)
    files = {argument: work.files.get(part) for part, argument in kind.files.items()}
    return function(**files, options=work.options, engines=engines, trace=trace)


def _packed(file: File, report: dict[str, Any], trace: Trace, form: Form) -> File:
    """Return the answer: the file itself, JSON with it inside, or the debug bundle as a zip."""
    stem = file.name.rsplit(".", 1)[0]
    if form == "zip":
        return File(f"{stem}-debug.zip", "application/zip", write_zip(bundle_files(file, report, trace)))
    if form == "json":
        encoded = base64.b64encode(file.data).decode("ascii")
        result = {"name": file.name, "media_type": file.media_type, "base64": encoded}
        return File(f"{stem}.json", "application/json", json.dumps({"report": report, "result": result}).encode())
    return file
