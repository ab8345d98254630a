"""The catalogue as a person or a program reads it: for `/models`, `models list` and the page."""

from pathlib import Path
from typing import Any

from backend.catalogue import CATALOGUE
from backend.custom_models import read_custom_models
from backend.models import model_state

EMBEDDED = {
    "border": ("segmentation", "Embedded: models the colours of the picture's border; needs no weights."),
    "relief": ("mesh", "Embedded: inflates the matte to a closed, coloured solid; needs no weights."),
}


def list_models(checkpoints: Path) -> list[dict[str, Any]]:
    """Return one row a model: name, task, licence, commercial use, bytes, state on this machine and a sentence."""
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "task": task,
            "licence": "MIT",
            "commercial_use": True,
            "size_bytes": 0,
            "state": "embedded",
            "about": about,
        }
        for name, (task, about) in EMBEDDED.items()
    ]
    for model in [*CATALOGUE.values(), *read_custom_models(checkpoints).models.values()]:
        rows.append(
            {
                "name": model.name,
                "task": model.task,
                "licence": model.licence,
                "commercial_use": model.commercial_use,
                "size_bytes": model.size_bytes,
                "state": model_state(model, checkpoints),
                "about": model.about,
            }
        )
    return rows
