"""Segmenters by name: rembg's local networks and the operator's own, run without rembg, and Mask R-CNN.

rembg itself is not imported: it rounds and stretches the saliency, never checks a file that is already there, and
knows sessions that send pictures to remote services.
"""

from pathlib import Path

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.engines.first_guess import Segmenter
from backend.engines.onnx_segmenter import OnnxSegmenter, open_session
from backend.weights.on_disk import find_model, how_to_get, require_model


def load_segmenter(
    name: str,
    checkpoints: Path,
    threads: int = 0,
    allow_noncommercial: bool = False,
    device: str = "auto",
    memoize: Memoize = compute_always,
    batch_size: int = 1,
) -> Segmenter:
    """Open the segmenter called `name`, whose weights lie in `checkpoints`, checked; keep it, opening takes seconds.

    `threads` 0 takes one per core; `device` is "auto", "cpu", "cuda" or "mps"; up to `batch_size`
    pictures go through it at once. Raises ModelUnavailableError when the
    weights are absent, broken or not allowed, with the command that helps, and InvalidParameterError for a name that
    is no segmenter's.
    """
    model = find_model(name, checkpoints)
    if model.task != "segmentation":
        raise InvalidParameterError(f"{name} is no segmenter.", parameter="model")
    (path,) = require_model(name, checkpoints, allow_noncommercial).values()
    if model.network is None:
        from backend.engines.mask_rcnn import load_mask_rcnn  # imports torchvision

        return load_mask_rcnn(name, path, device, memoize)
    try:
        return OnnxSegmenter(name, open_session(name, path, threads, device), model.network, memoize, batch_size)
    except ModelUnavailableError as error:
        raise ModelUnavailableError(f"{error.detail} {how_to_get(model)}", model=name) from error
