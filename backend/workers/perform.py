"""A piece of work, done: the pipeline call that its kind stands for, and the files in the form that was asked for.

This is the worker's side of `backend.contract.work`; only processes that run networks import it.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from backend.contract.trace import Trace
from backend.contract.work import Done, File, Form, OnStage, Work
from backend.engines.registry import Engines
from backend.matte.editing.background import add_background
from backend.matte.editing.edit import edit_mask
from backend.pipeline import Cutout, Product, Reconstruction, cut_out, reconstruct
from backend.workers.debug_bundle import bundle_files, write_folder, write_zip
from backend.workers.job_files import DEPTH_PICTURES, job_files


class HasProduct(Protocol):
    """What every pipeline call returns: something with a file to send."""

    @property
    def product(self) -> Product: ...


class Call(Protocol):
    """How a kind of work is done: its files by the name of their part, and its own options."""

    def __call__(self, files: Mapping[str, bytes], options: Any, engines: Engines, trace: Trace) -> HasProduct: ...


def _remove_bg(files: Mapping[str, bytes], options: Any, engines: Engines, trace: Trace) -> HasProduct:
    return cut_out(files["file"], options, mask=files.get("mask"), engines=engines, trace=trace)


def _generate_mesh(files: Mapping[str, bytes], options: Any, engines: Engines, trace: Trace) -> HasProduct:
    return reconstruct(files["file"], options, mask=files.get("mask"), engines=engines, trace=trace)


def _edit_mask(files: Mapping[str, bytes], options: Any, engines: Engines, trace: Trace) -> HasProduct:
    return edit_mask(files.get("mask"), options, photo=files.get("file"), engines=engines, trace=trace)


def _add_background(files: Mapping[str, bytes], options: Any, engines: Engines, trace: Trace) -> HasProduct:
    pictures = {"mask": files.get("mask"), "background": files.get("background")}
    return add_background(files["file"], options, **pictures, engines=engines, trace=trace)


CALLS: dict[str, Call] = {
    "remove-bg": _remove_bg,
    "generate-mesh": _generate_mesh,
    "edit-mask": _edit_mask,
    "add-background": _add_background,
}


def perform(work: Work, engines: Engines, on_stage: OnStage) -> Done:
    """Return what comes of `work`; `on_stage` hears each stage begin and may raise to stop there.

    Raises the errors of `backend.contract.errors`.
    """
    folder = engines.settings.debug_dir
    wanted = DEPTH_PICTURES if work.form == "job" else ()
    trace = Trace(work.options.debug or folder is not None, on_stage, wanted)
    with engines.stages.run(work.cache) as run:
        made = CALLS[work.kind](work.files, work.options, engines, trace)
    cached = [stage for stage, outcome in run.outcomes.items() if outcome == "hit"]
    product = replace(made.product, report={**made.product.report, "cached": cached})
    if folder is not None:
        write_folder(bundle_files(product, trace), folder / work.name)
    if work.form == "job" and isinstance(made, Cutout | Reconstruction):
        files = job_files(made, product, trace, work.options.debug)
    else:
        files = (_packed(product, trace, work.form),)
    notes = (*trace.notes, *trace.degradations)
    return Done(files, tuple(trace.stages), notes, product.report, stage_caches=run.outcomes, models=run.models)


def _packed(product: Product, trace: Trace, form: Form) -> File:
    """Return the answer: the product itself, JSON with it inside, or the debug bundle as a zip."""
    stem = product.file_name.rsplit(".", 1)[0]
    if form == "zip":
        return File(f"{stem}-debug.zip", "application/zip", write_zip(bundle_files(product, trace)))
    if form == "json":
        result = {
            "name": product.file_name,
            "media_type": product.media_type,
            "base64": base64.b64encode(product.data).decode("ascii"),
        }
        body = json.dumps({"report": product.report, "result": result}).encode()
        return File(f"{stem}.json", "application/json", body)
    return File(product.file_name, product.media_type, product.data)
