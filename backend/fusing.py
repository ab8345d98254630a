"""The matte and the depth of a picture -> one alpha, and the reasons for it."""

from dataclasses import dataclass
from typing import Any

from backend.catalogue import DEFAULT_DEPTH
from backend.engines import Engines
from backend.masking.arrays import Alpha, Disparity, Image
from backend.schemas import MeshOptions
from backend.subject import Subject
from backend.trace import Trace


@dataclass(frozen=True)
class FusedMatte:
    """The alpha that goes on to the mesh, and the disparity if there is one."""

    alpha: Alpha
    disparity: Disparity | None
    report: dict[str, Any]
    models: tuple[str, ...] = ()


def fuse(image: Image, subject: Subject, options: MeshOptions, engines: Engines, trace: Trace) -> FusedMatte:
    """Return the subject's alpha fused with depth as `options.strategy` says; without depth weights, as it came."""
    reasons = [f"Depth stands aside. {engines.why_not(DEFAULT_DEPTH)}"]
    if options.strategy not in ("auto", "segmentation"):
        trace.note(f"strategy={options.strategy} was not followed. {reasons[0]}")
    report = {"asked": options.strategy, "strategy": "segmentation", "reasons": reasons}
    return FusedMatte(subject.alpha, None, report)
