"""The small golden model, built once for all tests of the network."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from backend.contract.settings import REPOSITORY
from tests.helpers.published_config import published_config
from tests.helpers.stand_in_weights import ring_picture, stand_in_state
from tsr import TripoSR, TripoSRConfig

GOLDEN = REPOSITORY / "tests" / "golden"


@dataclass(frozen=True)
class GoldenModel:
    """A network with stand-in weights, and what the published implementation computes with them."""

    config: TripoSRConfig
    state: dict[str, torch.Tensor]
    model: TripoSR
    numbers: dict[str, np.ndarray]
    code: torch.Tensor  # (3, C, S, S), ours, of the golden picture


@pytest.fixture(scope="session")
def published() -> dict[str, dict[str, object]]:
    """The small golden model's `config`, `vit` and `state` (name -> shape), as published files spell them."""
    found: dict[str, dict[str, object]] = json.loads((GOLDEN / "tsr_small.json").read_text())
    return found


@pytest.fixture(scope="session")
def small(published) -> GoldenModel:
    config = published_config(published["config"], published["vit"])
    state = stand_in_state(published["state"])
    model = TripoSR(config)
    model.load_published(state)
    with np.load(GOLDEN / "tsr_small.npz") as file:
        numbers = dict(file)
    return GoldenModel(config, state, model, numbers, model.encode(ring_picture())[0])
