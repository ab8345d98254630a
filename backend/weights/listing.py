"""The models as a person or a program reads them: for `/models`, `models list` and the page."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.weights.availability import has_depth_weights
from backend.weights.catalogue import CATALOGUE, EMBEDDED_ENGINES, Task
from backend.weights.custom_models import read_custom_models
from backend.weights.on_disk import ModelState, model_state
from backend.weights.remote_services import REMOTE_SERVICES


class ModelRow(BaseModel):
    """One model, remote service or mistake in `models.toml`."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="what a request gives as `model` or `engine`")
    task: Task = "segmentation"
    licence: str = "MIT"
    commercial_use: bool = True
    size_bytes: int = Field(0, description="of all its files; an estimate where the publisher states none")
    state: ModelState | Literal["embedded", "key set", "no key"] = Field(
        "embedded", description="of its files on this machine, or of the remote service's key"
    )
    about: str
    sends_to: str | None = Field(None, description="the remote service that receives the picture, if one does")


def list_models(checkpoints: Path, remote_keys: frozenset[str] = frozenset()) -> list[ModelRow]:
    """Return one row per model; `remote_keys` are the remote services whose key is set.

    A mistake in `models.toml` is a row too: its state is "broken" and its `about` says what is wrong.
    """
    rows = [ModelRow(name=name, task=task, about=about) for name, (task, about) in EMBEDDED_ENGINES.items()]
    for name, service in REMOTE_SERVICES.items():
        state: Literal["key set", "no key"] = "key set" if name in remote_keys else "no key"
        rows.append(
            ModelRow(name=name, licence=service.licence, state=state, about=service.about, sends_to=service.title)
        )
    custom = read_custom_models(checkpoints)
    for model in [*CATALOGUE.values(), *custom.models.values()]:
        # An original depth checkpoint that was put there by hand serves as well as the hub's files.
        by_hand = model.task == "depth" and has_depth_weights(model.name, checkpoints)
        rows.append(
            ModelRow(
                name=model.name,
                task=model.task,
                licence=model.licence,
                commercial_use=model.commercial_use,
                size_bytes=model.size_bytes,
                state="complete" if by_hand else model_state(model, checkpoints),
                about=model.about,
            )
        )
    for name, problem in custom.problems.items():
        row = ModelRow(
            name=name or "models.toml", licence="unknown", commercial_use=False, state="broken", about=problem
        )
        rows.append(row)
    return rows
