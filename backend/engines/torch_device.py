"""The torch device of a network: tsr's choice, with its refusal as an error of the service."""

from typing import TYPE_CHECKING

from backend.contract.errors import ModelUnavailableError

if TYPE_CHECKING:
    import torch


def choose_device(device: str, model: str) -> "torch.device":
    """Return the device of that name for the network called `model`; "auto" is CUDA before MPS before the CPU.

    Raises ModelUnavailableError for a device that is not on this machine.
    """
    from tsr import device as devices  # imports torch, which takes seconds

    try:
        return devices.choose_device(device)
    except ValueError as error:
        raise ModelUnavailableError(f"{model} cannot run: {error}.", model=model) from error
