"""The parts that reports on pictures share: picture, segmenter, scorecard and licences."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backend.contract.options import MatteOptions
from backend.contract.report import ImageReport, ModelUse, Scorecard, SegmenterReport, base_report
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.images.image_io import Picture
from backend.matte.handovers import Subject
from backend.weights.catalogue import CATALOGUE, EMBEDDED_ENGINES, REMBG
from backend.weights.custom_models import read_custom_models
from backend.weights.on_disk import find_model
from backend.weights.remote_services import REMOTE_SERVICES


def matte_report(
    picture: Picture,
    subject: Subject,
    scorecard: Scorecard,
    options: MatteOptions,
    settings: Settings,
    trace: Trace,
    *others: str,
) -> dict[str, Any]:
    """Return the fields of `MatteReport` but for the fusion; `others` are the models used besides the segmenter."""
    return {
        "image": image_report(picture),
        "segmenter": SegmenterReport(name=subject.source, **subject.facts),
        "mask": scorecard,
        "options": options.model_dump(),
        "models": model_licences([subject.source, *others], settings.checkpoints_dir),
        **base_report(trace),
    }


def image_report(picture: Picture) -> ImageReport:
    """Return the part of the report on the picture that came in."""
    height, width = picture.image.shape[:2]
    stored_height, stored_width = picture.source_size
    return ImageReport.model_validate(
        {
            "format": picture.format,
            "width": width,
            "height": height,
            "stored_width": stored_width,
            "stored_height": stored_height,
            "has_transparency": picture.alpha is not None,
            **picture.facts,
        }
    )


def model_licences(names: Iterable[str], checkpoints: Path) -> list[ModelUse]:
    """Return id, licence and commercial use of every model in `names`; other names are skipped."""
    rows = []
    known = {**CATALOGUE, **read_custom_models(checkpoints).models}
    for name in names:
        if name in EMBEDDED_ENGINES:
            rows.append(ModelUse(id=name, licence="MIT", commercial_use=True))
        elif name in REMOTE_SERVICES:
            rows.append(ModelUse(id=name, licence=REMOTE_SERVICES[name].licence, commercial_use=True))
        elif name in known or name.startswith(REMBG):
            model = known.get(name) or find_model(name, checkpoints)
            rows.append(ModelUse(id=name, licence=model.licence, commercial_use=model.commercial_use))
    return rows
