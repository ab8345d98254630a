"""The catalogue as a person or a program reads it: for `/models`, `models list` and the page."""

from pathlib import Path
from typing import Any

from backend.weights.availability import has_depth_weights
from backend.weights.catalogue import CATALOGUE, EMBEDDED_ENGINES
from backend.weights.custom_models import read_custom_models
from backend.weights.on_disk import model_state
from backend.weights.remote_services import REMOTE_SERVICES


def list_models(checkpoints: Path, remote_keys: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return one row a model: name, task, licence, commercial use, bytes, state on this machine and a sentence.

    A remote service is a row too: its state is "key set" if it is among `remote_keys`, else "no key", and `sends_to`
    names the service that receives the picture; None for everything that runs on this machine.

    A mistake in `models.toml` is a row too: its state is "broken" and its sentence says what is wrong.
    """
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
        for name, (task, about) in EMBEDDED_ENGINES.items()
    ]
    rows += [
        {
            "name": name,
            "task": "segmentation",
            "licence": service.licence,
            "commercial_use": True,
            "size_bytes": 0,
            "state": "key set" if name in remote_keys else "no key",
            "about": service.about,
            "sends_to": service.title,  # the picture leaves this machine
        }
        for name, service in REMOTE_SERVICES.items()
    ]
    custom = read_custom_models(checkpoints)
    for model in [*CATALOGUE.values(), *custom.models.values()]:
        # An original depth checkpoint that was put there by hand serves as well as the hub's files.
        by_hand = model.task == "depth" and has_depth_weights(model.name, checkpoints)
        rows.append(
            {
                "name": model.name,
                "task": model.task,
                "licence": model.licence,
                "commercial_use": model.commercial_use,
                "size_bytes": model.size_bytes,
                "state": "complete" if by_hand else model_state(model, checkpoints),
                "about": model.about,
            }
        )
    for name, problem in custom.problems.items():
        rows.append(
            {
                "name": name or "models.toml",
                "task": "segmentation",
                "licence": "unknown",
                "commercial_use": False,
                "size_bytes": 0,
                "state": "broken",
                "about": problem,
            }
        )
    return [{"sends_to": None} | row for row in rows]
