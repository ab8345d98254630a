"""One picture of a folder through the pipeline, and its thumbnail for the report.

The parent builds `BatchWork` and imports nothing heavy; a worker runs it.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.contract.spool import SpooledFile
from backend.contract.work import Done, File, OnStage
from backend.folders.runner import FolderWork

if TYPE_CHECKING:
    from backend.contract.report import MatteReport
    from backend.contract.trace import Trace
    from backend.engines.registry import Engines
    from backend.folders.batch.resize_plan import ResizePlan
    from backend.pipeline import Cutout, Reconstruction


@dataclass(frozen=True)
class BatchWork(FolderWork):
    """One picture, and the size at which its mask is found."""

    resize_plan: "ResizePlan" = ""

    def perform(self, engines: "Engines", on_stage: OnStage) -> Done:
        """Return the result, its thumbnail and, where it was asked for, the debug bundle; the report has `seconds`."""
        from backend.bundles.debug_bundle import Bundle
        from backend.bundles.inputs import run_inputs, store_files
        from backend.bundles.tape import RunTape
        from backend.contract.trace import Trace
        from backend.folders.batch.resize_plan import scale_of
        from backend.images.open_picture import open_picture

        began = time.perf_counter()
        bundle = Bundle(engines.settings.data_dir / "spool") if self.options.debug else None
        tape = None if bundle is None else RunTape(bundle)
        trace = Trace(None if bundle is None else bundle.add, on_stage, tape=tape)
        with trace.stage("decode"):
            picture = open_picture(self.files["file"], engines.settings)
        with engines.stages.run("avoid") as run:
            made, found = _make(self, picture, engines, trace)
        report = found.as_json()
        files: list[File | SpooledFile] = [
            made.file,
            File("thumbnail.webp", "image/webp", _thumbnail(picture.image, made)),
        ]
        if bundle is not None and tape is not None:
            options: Any = self.options
            if scale_of(picture, self.resize_plan, options) == 1:  # else it is no one run that can be done again
                stored = store_files(bundle, self.files)
                given = run_inputs(self.kind, self.options, stored, tape, run.models, engines.settings, made.file)
                bundle.finish(made.file, {**report, "inputs": given.model_dump(mode="json")})
            else:
                bundle.finish(made.file, report)
            files.append(bundle.as_file("debug.zip"))
        height, width = picture.image.shape[:2]
        report = {**report, "seconds": time.perf_counter() - began, "upright_size": [height, width]}
        return Done(tuple(files), tuple(trace.stages), (*trace.notes, *trace.degradations), report)


def _make(
    work: BatchWork, picture: Any, engines: "Engines", trace: "Trace"
) -> tuple["Cutout | Reconstruction", "MatteReport"]:
    from backend.folders.batch.resize_plan import find_mask, scale_of, with_first_opinion
    from backend.pipeline import cut_out, reconstruct

    options: Any = work.options
    call: Any = cut_out if work.kind == "remove-bg" else reconstruct
    scale = scale_of(picture, work.resize_plan, options)
    if scale == 1:
        made = call(picture, options, engines=engines, trace=trace)
        return made, made.report
    picture, mask, first = find_mask(picture, scale, options, engines, trace)
    if work.kind == "remove-bg":  # the mask of `find_mask` is fused already
        options = options.model_copy(update={"strategy": "segmentation"})
    made = call(picture, options, mask=mask, engines=engines, trace=trace)
    return made, with_first_opinion(made.report, first)


def _thumbnail(image: Any, made: "Cutout | Reconstruction") -> bytes:
    from backend.folders.batch.thumbnails import before_and_after, photo_and_mesh
    from backend.pipeline import Cutout

    return before_and_after(image, made.alpha) if isinstance(made, Cutout) else photo_and_mesh(image, made.mesh)
