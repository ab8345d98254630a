"""All that a job keeps beside its result: what a page or a program may want to show of it without asking again.

`mask.png` and `cutout.png` always; of a mesh `preview.png` and pictures from all around; `disparity.png` and
`disagreement.png` where depth took part; `debug.zip` where it was asked for; `report.json`.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from backend.contract.spool import SpooledFile
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.images.arrays import Alpha, Image
from backend.images.encode import encode_cutout_png, encode_mask_png, encode_rgb_png
from backend.matte.refine.foreground import foreground_colors
from backend.mesh.mesh import Mesh
from backend.mesh.preview import turntable
from backend.pipeline import Cutout, Reconstruction

DEPTH_PICTURES = {"depth": "disparity.png", "segmentation against depth": "disagreement.png"}  # of the trace
PREVIEW_STEPS = (0, 1, 2, 4)  # of the turntable: from the front, 45°, the side, behind
PNG = "image/png"


def job_files(
    made: Cutout | Reconstruction, report: Mapping[str, Any], trace: Trace, debug: SpooledFile | None
) -> tuple[File | SpooledFile, ...]:
    """Return the files of the job that made `made`, the result first, `report.json` last.

    A mask's and a cutout's own file shows what was asked for, crop included; the other of the two shows the same part.
    """
    files: dict[str, File | SpooledFile] = {made.file.name: made.file}
    alpha, image = _shown(made, trace)
    with trace.stage("files"):
        if "mask.png" not in files:
            files["mask.png"] = File("mask.png", PNG, encode_mask_png(alpha))
        if "cutout.png" not in files:
            files["cutout.png"] = File("cutout.png", PNG, encode_cutout_png(image, alpha))
    if isinstance(made, Reconstruction):
        with trace.stage("views"):
            files |= _views(made.mesh)
    for name, file_name in DEPTH_PICTURES.items():
        if name in trace.pictures:
            files[file_name] = File(file_name, PNG, encode_rgb_png(trace.pictures[name]))
    if debug is not None:
        files[debug.name] = debug
    files["report.json"] = File("report.json", "application/json", json.dumps(report, indent=2).encode())
    return tuple(files.values())


def _shown(made: Cutout | Reconstruction, trace: Trace) -> tuple[Alpha, Image]:
    """Return alpha and the object's own colours of the part of the picture that the result shows."""
    if isinstance(made, Reconstruction):
        return made.alpha, made.image
    x0, y0, x1, y1 = made.box
    image = made.image
    if not made.clean:
        with trace.stage("colors"):
            image = foreground_colors(image, made.alpha)
    return made.alpha[y0:y1, x0:x1], image[y0:y1, x0:x1]


def _views(mesh: Mesh) -> dict[str, File]:
    pictures = turntable(mesh)
    named = {f"view-{step:03d}.png": picture for step, picture in enumerate(pictures)}
    named["preview.png"] = np.concatenate([pictures[step] for step in PREVIEW_STEPS], axis=1)
    return {name: File(name, PNG, encode_rgb_png(picture)) for name, picture in sorted(named.items())}
