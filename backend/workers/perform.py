"""Work in, Done out: the pipeline call that the kind stands for, and its files in the form that was asked for.

This is the worker's side of `backend.contract.work`; only processes that run networks import it.
"""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from backend.bundles.debug_bundle import Bundle
from backend.bundles.inputs import run_inputs, store_files
from backend.bundles.tape import RunTape
from backend.contract.errors import StorageFailedError, StorageFullError, translate_disk_errors
from backend.contract.report import Report
from backend.contract.settings import Settings
from backend.contract.spool import SpooledFile
from backend.contract.trace import Trace
from backend.contract.work import KINDS, Done, File, Form, OnStage, Work
from backend.engines.registry import Engines
from backend.pipeline import Cutout, Reconstruction
from backend.workers.job_files import DEPTH_PICTURES, job_files

logger = logging.getLogger("mattemesh")
NO_ROOM = "The disk is full, so the debug bundle cannot be made."


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
    with _bundle(work, engines.settings) as bundle:
        tape = None if bundle is None else RunTape(bundle)
        trace = Trace(None if bundle is None else bundle.add, on_stage, wanted, tape)
        with engines.stages.run(work.cache) as run:
            made = _run(work, engines, trace)
        cached = [stage for stage, outcome in run.outcomes.items() if outcome == "hit"]
        report = made.report.model_copy(update={"cached": cached}).as_json()
        debug = None
        if bundle is not None and tape is not None:
            files = store_files(bundle, work.files)
            given = run_inputs(work.kind, work.options, files, tape, run.models, engines.settings, made.file)
            debug = _finish(bundle, made.file, {**report, "inputs": given.model_dump(mode="json")}, work, folder)
        if work.form == "job" and isinstance(made, Cutout | Reconstruction):
            answers: tuple[File | SpooledFile, ...] = job_files(made, report, trace, debug)
        else:
            answers = (_packed(made.file, report, debug, work.form),)
    notes = (*trace.notes, *trace.degradations)
    return Done(answers, tuple(trace.stages), notes, report, stage_caches=run.outcomes, models=run.models)


@contextmanager
def _bundle(work: Work, settings: Settings) -> Iterator[Bundle | None]:
    """Yield the bundle of this run, None where neither the request nor DEBUG_DIR wants one."""
    if not work.options.debug and settings.debug_dir is None:
        yield None
        return
    with translate_disk_errors(NO_ROOM):
        bundle = Bundle(settings.data_dir / "spool")
    try:
        yield bundle
    finally:
        bundle.close()


def _finish(bundle: Bundle, file: File, report: dict[str, Any], work: Work, folder: Path | None) -> SpooledFile | None:
    """Return the finished bundle where the answer has it, and write it into `folder`, DEBUG_DIR.

    Raises StorageFullError or StorageFailedError where the answer needs the bundle and the disk has no room or fails.
    """
    answered = work.options.debug and work.form in ("zip", "job")
    try:
        with translate_disk_errors(NO_ROOM):
            bundle.finish(file, report)
        if folder is not None:
            bundle.unpack(folder, work.name)
    except (
        OSError,
        StorageFullError,
        StorageFailedError,
    ) as error:  # a full disk costs DEBUG_DIR its bundle, not the request its result
        if answered and not bundle.finished:
            raise
        logger.error("the debug bundle of %s cannot be written: %s", work.name, getattr(error, "strerror", error))
    if not answered:
        return None
    return bundle.as_file("debug.zip" if work.form == "job" else f"{file.name.rsplit('.', 1)[0]}-debug.zip")


def _run(work: Work, engines: Engines, trace: Trace) -> Made:
    """Call the function that the kind's row in `KINDS` names."""
    kind = KINDS[work.kind]
    module, name = kind.run.split(":")
    function: Callable[..., Made] = getattr(import_module(module), name)
    files = {argument: work.files.get(part) for part, argument in kind.files.items()}
    return function(**files, options=work.options, engines=engines, trace=trace)


def _packed(file: File, report: dict[str, Any], debug: SpooledFile | None, form: Form) -> File | SpooledFile:
    """Return the answer: the file itself, JSON with it inside, or the debug bundle."""
    if debug is not None:
        return debug
    if form == "json":
        stem = file.name.rsplit(".", 1)[0]
        encoded = base64.b64encode(file.data).decode("ascii")
        result = {"name": file.name, "media_type": file.media_type, "base64": encoded}
        return File(f"{stem}.json", "application/json", json.dumps({"report": report, "result": result}).encode())
    return file
