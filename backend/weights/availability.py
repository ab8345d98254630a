"""Decides by the disk alone which engine `auto` takes: cheap for every request, light enough for the HTTP process."""

from collections.abc import Mapping
from pathlib import Path

from backend.contract.errors import MattemeshError, ModelUnavailableError
from backend.contract.mesh_engines import DEFAULT_MESH, MESH_ENGINES, STAND_IN_MESH
from backend.contract.settings import Settings
from backend.weights.catalogue import (
    AUTO_SEGMENTERS,
    CATALOGUE,
    DEFAULT_MODELS,
    EMBEDDED_ENGINES,
    EMBEDDED_SEGMENTER,
)
from backend.weights.on_disk import check_permission, find_model, how_to_get, model_state, require_model, what_is_wrong
from backend.weights.remote_services import REMOTE_SERVICES


def preferred_engines(settings: Settings) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return, for each role, the networks that `auto` looks for, the best one first, and the engine that stands in."""
    return {
        "segmenter": (auto_segmenters(settings), EMBEDDED_SEGMENTER),
        "depth": ((settings.depth_model,), "none"),
        "mesh": ((DEFAULT_MESH,), STAND_IN_MESH),
    }


def auto_segmenters(settings: Settings) -> tuple[str, ...]:
    """Return the segmenters that `auto` looks for, the best one first: the operator's choice, then our order."""
    chosen = settings.segmenter
    return AUTO_SEGMENTERS if chosen == "auto" else (chosen, *(name for name in AUTO_SEGMENTERS if name != chosen))


def check_segmenter(settings: Settings) -> str:
    """Return what is wrong with SEGMENTER, "" where nothing is: weights that are absent yet are no mistake."""
    name = settings.segmenter
    if name in ("auto", EMBEDDED_SEGMENTER):
        return ""
    if name in REMOTE_SERVICES:
        return f"SEGMENTER={name}: a picture is sent to {REMOTE_SERVICES[name].title} only where a request names it."
    try:
        model = find_model(name, settings.checkpoints_dir)
        check_permission(model, settings.allow_noncommercial)
    except MattemeshError as error:
        return f"SEGMENTER={name}: {error.detail}"
    return "" if model.task == "segmentation" else f"SEGMENTER={name}: {name} is not a segmenter."


def damaged_models(settings: Settings) -> list[str]:
    """Return a sentence for each model of the catalogue whose files are seen to be damaged without reading them."""
    damaged = [model for model in CATALOGUE.values() if model_state(model, settings.checkpoints_dir) == "broken"]
    return [what_is_wrong(model, "broken") for model in damaged]


def models_to_fetch(settings: Settings) -> tuple[str, ...]:
    """Return the models that the service fetches beside its work, the smallest first."""
    chosen = CATALOGUE.get(settings.segmenter)
    if settings.segmenter == "auto" or check_segmenter(settings):
        return DEFAULT_MODELS
    others = tuple(name for name in DEFAULT_MODELS if CATALOGUE[name].task != "segmentation")
    return (
        others if chosen is None else tuple(sorted((chosen.name, *others), key=lambda name: CATALOGUE[name].size_bytes))
    )


def is_here(name: str, settings: Settings) -> bool:
    """Whether all that `name` needs is on this machine, judged without reading its weights.

    Raises InvalidParameterError for an unknown name.
    """
    if name in EMBEDDED_ENGINES or own_weights(name, settings) is not None:
        return True
    if name in REMOTE_SERVICES:
        return False
    if name == settings.depth_model:
        return has_depth_weights(name, settings.checkpoints_dir)
    return model_state(find_model(name, settings.checkpoints_dir), settings.checkpoints_dir) == "complete"


def own_weights(name: str, settings: Settings) -> Path | None:
    """Return the operator's own weights of the mesh engine called `name`, None where the settings name none."""
    engine = MESH_ENGINES.get(name)
    own: Path | None = getattr(settings, engine.own_weights) if engine is not None and engine.own_weights else None
    return own


def why_not(name: str, settings: Settings, broken: Mapping[str, str]) -> str:
    """Return the sentence that says why `auto` uses a stand-in for `name`, "" when it uses `name`.

    `broken` gives the reason for each model whose weights failed to load.
    """
    if name in broken:
        return broken[name]
    try:
        if is_here(name, settings):
            return ""
        model = find_model(name, settings.checkpoints_dir)
    except MattemeshError as error:  # a mistake in SEGMENTER or models.toml
        return error.detail
    state = model_state(model, settings.checkpoints_dir)
    return what_is_wrong(model, "absent" if state == "complete" else state)  # complete since the line above


def describe(settings: Settings, loaded: Mapping[str, str], broken: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return, for each role, the engine that `auto` uses now, its device, and the reason when it is a stand-in.

    `loaded` gives the device of each loaded model. Weights that are here and broken are a reason too.
    """
    described = {}
    for role, (networks, stand_in) in preferred_engines(settings).items():
        reasons = {name: why_not(name, settings, broken) for name in networks}
        used = next((name for name, reason in reasons.items() if not reason), None)
        better = networks if used is None else networks[: networks.index(used)]
        why = next(
            (broken[name] for name in better if name in broken), "" if used is not None else reasons[networks[0]]
        )
        device = "cpu" if used is None or used in EMBEDDED_ENGINES else loaded.get(used, "not loaded yet")
        described[role] = {"auto": used or stand_in, "device": device, "why": why}
    return described


def original_file(name: str, checkpoints: Path) -> Path:
    """Return the path of the original checkpoint of the model called `name`: `depth_anything_v2_vits.pth`."""
    return checkpoints / f"{name.replace('-', '_')}.pth"


def has_depth_weights(name: str, checkpoints: Path) -> bool:
    """Whether the weights of `name` are on disk in either form, without reading them."""
    complete = model_state(find_model(name, checkpoints), checkpoints) == "complete"
    return complete or original_file(name, checkpoints).is_file()


def find_depth_weights(name: str, checkpoints: Path) -> Path:
    """Return the file to load: the hub's where it is whole and checked, else an original checkpoint put there by hand.

    Raises ModelUnavailableError, with the command that helps, where neither is there.
    """
    original = original_file(name, checkpoints)
    try:
        return require_model(name, checkpoints)["model.safetensors"]
    except ModelUnavailableError:
        if original.is_file():
            return original
        raise


def check_size(name: str, size: str, checkpoints: Path) -> None:
    """Raise ModelUnavailableError when a file named after one network holds another, with its other licence."""
    if not name.endswith(f"-{size}"):
        detail = f"The file of {name} holds the network {size}. {how_to_get(find_model(name, checkpoints))}"
        raise ModelUnavailableError(detail, model=name)
