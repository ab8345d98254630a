"""One choice of device for every network on torch."""

import pytest
import torch

from backend.contract.errors import ModelUnavailableError
from backend.engines.torch_device import choose_device


def test_auto_is_a_device_of_this_machine() -> None:
    torch.zeros(1, device=choose_device("auto", "maskrcnn"))


@pytest.mark.parametrize("device", ["tpu", "cuda:99" if torch.cuda.is_available() else "cuda"])
def test_a_device_that_is_not_here_makes_the_model_unavailable(device: str) -> None:
    with pytest.raises(ModelUnavailableError, match=f"maskrcnn cannot run: .*{device}"):
        torch.zeros(1, device=choose_device(device, "maskrcnn"))
