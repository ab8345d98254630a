"""Which engine `auto` takes, by looking at the disk alone: cheap enough for every request, light enough for HTTP."""

from collections.abc import Mapping

from backend.contract.settings import Settings
from backend.weights.catalogue import DEFAULT_SEGMENTER
from backend.weights.depth_weights import has_depth_weights
from backend.weights.on_disk import find_model, how_to_get, model_state
from backend.weights.remote_services import REMOTE_SERVICES

DEFAULT_MESH = "triposr"


def is_here(name: str, settings: Settings) -> bool:
    """Whether the weights of `name` are on this machine, as far as can be told without reading them."""
    if name == DEFAULT_MESH and settings.triposr_weights is not None:
        return True
    if name in REMOTE_SERVICES:
        return False
    if name == settings.depth_model:
        return has_depth_weights(name, settings.checkpoints_dir)
    return model_state(find_model(name, settings.checkpoints_dir), settings.checkpoints_dir) == "complete"


def why_not(name: str, settings: Settings, broken: Mapping[str, str]) -> str:
    """Return a sentence that says why `auto` stands on a stand-in instead of `name`, or "" when it does not.

    `broken` are the models whose weights were found to be no good when they were loaded.
    """
    if name in broken:
        return broken[name]
    if is_here(name, settings):
        return ""
    model = find_model(name, settings.checkpoints_dir)
    return f"The weights of {name} are not on this machine. {how_to_get(model)}"


def describe(settings: Settings, loaded: Mapping[str, str], broken: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return, for each role, the engine that `auto` uses now, its device, and why it is a stand-in if it is one.

    `loaded` gives the device of each model that is in use already.
    """
    roles = {
        "segmenter": (DEFAULT_SEGMENTER, "border"),
        "depth": (settings.depth_model, "none"),
        "mesh": (DEFAULT_MESH, "relief"),
    }
    described = {}
    for role, (network, stand_in) in roles.items():
        why = why_not(network, settings, broken)
        device = "cpu" if why else loaded.get(network, "not loaded yet")
        described[role] = {"auto": stand_in if why else network, "device": device, "why": why}
    return described
