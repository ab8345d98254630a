"""Where the depth weights lie: the hub's files of the catalogue, or an original checkpoint put there by hand."""

from pathlib import Path

from backend.contract.errors import ModelUnavailableError
from backend.weights.on_disk import find_model, how_to_get, model_state, require_model


def original_file(name: str, checkpoints: Path) -> Path:
    """Return where the original checkpoint of the model called `name` would lie: `depth_anything_v2_vits.pth`."""
    return checkpoints / f"{name.replace('-', '_')}.pth"


def has_depth_weights(name: str, checkpoints: Path) -> bool:
    """Whether the weights of `name` are here in either form, without reading them."""
    complete = model_state(find_model(name, checkpoints), checkpoints) == "complete"
    return complete or original_file(name, checkpoints).is_file()


def find_depth_weights(name: str, checkpoints: Path) -> Path:
    """Return the file to load: the hub's where it is whole and proven, else the original one.

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
