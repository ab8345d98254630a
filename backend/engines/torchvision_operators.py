"""Stand-ins for torchvision's compiled operators, for a CPU build of torch beside a torchvision built for CUDA.

That pair arises where PyTorch's CPU index cannot be reached: its torchvision loads, and then nothing here is used.
Mask R-CNN needs two operators, `nms` and `roi_align`. Without a definition of them `import torchvision` fails, and so
does transformers, which imports it if it is installed: code that imports either calls `prepare_torchvision` first.
"""

import importlib.util
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

HOW_TO_INSTALL = "Install it with: pip install --no-deps torchvision==0.28.0"  # as in requirements-maskrcnn.txt
Operators = Literal["absent", "compiled", "stand-ins"]

ROIS_AT_ONCE = 32  # bounds the memory: 32 · 14 · 14 samples of 256 channels are 6 MB
ROWS_AT_ONCE = 1024  # rows of the table of overlaps that are computed at once
_lock = threading.Lock()
_libraries: list[Any] = []  # kept: an operator is defined as long as its library lives


def prepare_torchvision() -> Operators:
    """Define the operators that torchvision's own file does not, once. "absent": torchvision is not installed."""
    with _lock:
        return _prepare()


def import_detection() -> Operators:
    """Import torchvision's detection models, ready to run. Raises ImportError where it is not installed."""
    operators = prepare_torchvision()
    import torchvision.models.detection  # noqa: F401

    if operators == "stand-ins":  # before each call it asks itself whether its own file was loaded
        for module in ("torchvision.extension", "torchvision.ops.roi_align"):
            vars(sys.modules[module])["_has_ops"] = lambda: True
    return operators


@cache
def _prepare() -> Operators:
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return "absent"
    import torch

    for compiled in sorted(Path(package.origin).parent.glob("_C.*")):
        try:
            torch.ops.load_library(compiled)  # type: ignore[no-untyped-call]
        except (OSError, ImportError):
            continue
        return "compiled"
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # only named at import
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    for device in ("CPU", "CUDA", "MPS"):
        library.impl("nms", nms, device)
        library.impl("roi_align", roi_align, device)
    _libraries.append(library)
    return "stand-ins"


def nms(boxes: "torch.Tensor", scores: "torch.Tensor", iou_threshold: float) -> "torch.Tensor":
    """Return the indices (K,) of the boxes that stay, best first: one goes when a better one that stays overlaps it
    by more than `iou_threshold` (intersection over union). `boxes` are (N, 4) x0, y0, x1, y1, `scores` (N,)."""
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    ranked = boxes[order].float().cpu()
    areas = (ranked[:, 2] - ranked[:, 0]) * (ranked[:, 3] - ranked[:, 1])
    gone = torch.zeros(len(ranked), dtype=torch.bool).numpy()
    for start in range(0, len(ranked), ROWS_AT_ONCE):
        some = ranked[start : start + ROWS_AT_ONCE]
        low = torch.maximum(some[:, None, :2], ranked[None, :, :2])
        sides = (torch.minimum(some[:, None, 2:], ranked[None, :, 2:]) - low).clamp(min=0)
        shared = sides[..., 0] * sides[..., 1]
        covers = (shared / (areas[start : start + ROWS_AT_ONCE, None] + areas[None] - shared) > iou_threshold).numpy()
        for row, covered in enumerate(covers, start):
            if not gone[row]:
                gone[row + 1 :] |= covered[row + 1 :]
    return order[torch.from_numpy(~gone).to(order.device)]


def roi_align(
    features: "torch.Tensor",
    rois: "torch.Tensor",
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> "torch.Tensor":
    """Return (K, C, pooled_height, pooled_width): each cell of each region the mean of bilinear samples of `features`
    (B, C, H, W). `rois` are (K, 5): the picture's index, x0, y0, x1, y1 at 1 / `spatial_scale` of the features' size.

    `sampling_ratio` samples a cell each way, or one a feature pixel where it is 0 or less; `aligned` sets pixel
    centres at half coordinates (He et al. 2017, "Mask R-CNN", and the correction of Detectron2).
    """
    import torch

    offset = 0.5 if aligned else 0.0
    corners = rois[:, 1:] * spatial_scale - offset
    sides = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sides = sides.clamp(min=1.0)
    cells = sides / sides.new_tensor([pooled_width, pooled_height])  # (K, 2), across and down
    counts = torch.full_like(cells, sampling_ratio) if sampling_ratio > 0 else cells.ceil()
    channels = features.shape[1]
    pooled = features.new_zeros((len(rois), channels, pooled_height, pooled_width))
    by_place = features.permute(0, 2, 3, 1).contiguous()  # (B, H, W, C): a sample is one run of memory
    for across, down in torch.unique(counts.long(), dim=0).tolist():
        if across <= 0 or down <= 0:
            continue  # a region without extent has no samples, and its mean is 0
        chosen = torch.nonzero((counts[:, 0] == across) & (counts[:, 1] == down))[:, 0]
        for some in torch.split(chosen, max(1, ROIS_AT_ONCE * 4 // (across * down))):
            x = _places(corners[some, 0], cells[some, 0], pooled_width, across)
            y = _places(corners[some, 1], cells[some, 1], pooled_height, down)
            samples = _sample(by_place, rois[some, 0].long(), y, x)  # (k, P_h * down, P_w * across, C)
            grouped = samples.view(len(some), pooled_height, down, pooled_width, across, channels)
            pooled[some] = grouped.mean(dim=(2, 4)).permute(0, 3, 1, 2)
    return pooled


def _places(start: "torch.Tensor", cell: "torch.Tensor", cells: int, samples: int) -> "torch.Tensor":
    """Return (k, cells * samples): where along one axis the samples lie, each in the middle of its share of a cell."""
    import torch

    steps = torch.arange(cells, device=cell.device)[:, None]
    shares = (torch.arange(samples, device=cell.device)[None] + 0.5).to(cell.dtype)
    return (start[:, None, None] + steps * cell[:, None, None] + shares * cell[:, None, None] / samples).flatten(1)


def _sample(by_place: "torch.Tensor", index: "torch.Tensor", y: "torch.Tensor", x: "torch.Tensor") -> "torch.Tensor":
    """Return (k, R, S, C): the features of picture `index` (k,) at rows `y` (k, R) and columns `x` (k, S)."""
    height, width = by_place.shape[1:3]
    y_low, y_high, y_part, y_inside = _neighbours(y, height)
    x_low, x_high, x_part, x_inside = _neighbours(x, width)
    picture = index[:, None, None]
    y_part, x_part = y_part[:, :, None, None], x_part[:, None, :, None]
    upper = by_place[picture, y_low[:, :, None], x_low[:, None, :]] * (1 - x_part)
    upper += by_place[picture, y_low[:, :, None], x_high[:, None, :]] * x_part
    lower = by_place[picture, y_high[:, :, None], x_low[:, None, :]] * (1 - x_part)
    lower += by_place[picture, y_high[:, :, None], x_high[:, None, :]] * x_part
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    return (upper * (1 - y_part) + lower * y_part) * inside


def _neighbours(place: "torch.Tensor", length: int) -> "tuple[torch.Tensor, ...]":
    """Return the pixels below and above each place, the share of the upper one, and whether the place counts: up to
    one pixel outside it takes the border's value, further out it is 0."""
    inside = (place >= -1) & (place <= length)
    held = place.clamp(0, length - 1)
    low = held.floor().long()
    return low, (low + 1).clamp(max=length - 1), held - low, inside
