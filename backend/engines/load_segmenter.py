"""Segmenters by name: the embedded one, the remote services, the catalogue's networks and the operator's own.

rembg's networks are run without rembg where our own runner can: it rounds and stretches the saliency, never checks a
file that is already there, and has sessions that send pictures to remote services.
"""

from pkgutil import resolve_name

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import InvalidParameterError
from backend.contract.settings import Settings
from backend.engines.first_guess import Segmenter
from backend.weights.catalogue import EMBEDDED_SEGMENTER
from backend.weights.on_disk import find_model, require_model
from backend.weights.remote_services import REMOTE_SERVICES

# What the catalogue calls `runner`: "module:function" of (Model, its files, Settings, Memoize) -> Segmenter.
RUNNERS = {
    "onnx": "backend.engines.onnx_segmenter:load_onnx",
    "maskrcnn": "backend.engines.mask_rcnn:load_mask_rcnn",
    "rembg": "backend.engines.rembg_session:load_rembg",
}


def load_segmenter(name: str, settings: Settings, memoize: Memoize = compute_always) -> Segmenter:
    """Return the segmenter called `name`, its weights checked. Opening one takes seconds: the caller keeps it.

    Raises ModelUnavailableError, with the command that helps, for weights that are absent, broken or not allowed and
    for a service without a key; InvalidParameterError for any other name.
    """
    if name == EMBEDDED_SEGMENTER:
        from backend.engines.border.border import BorderSegmenter

        return BorderSegmenter(memoize=memoize)
    if name in REMOTE_SERVICES:
        from backend.engines.remote.segmenter import open_remote  # imports httpx

        return open_remote(name, settings, memoize)
    model = find_model(name, settings.checkpoints_dir)
    if model.task != "segmentation":
        raise InvalidParameterError(f"{name} is not a segmenter.", parameter="model")
    paths = tuple(require_model(name, settings.checkpoints_dir, settings.allow_noncommercial).values())
    segmenter: Segmenter = resolve_name(RUNNERS[model.runner])(model, paths, settings, memoize)
    return segmenter
