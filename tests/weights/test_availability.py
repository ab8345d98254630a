"""Depth weights in either form are found, and what /health says of them is true."""

from pathlib import Path

import pytest
import torch

from backend.contract.errors import ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.depth_anything import SIZES, _empty_network
from backend.engines.registry import Engines
from backend.weights.availability import find_depth_weights, has_depth_weights, original_file
from backend.weights.catalogue import CATALOGUE, DEFAULT_DEPTH
from backend.weights.listing import list_models


def write_zeros(path: Path, width: int = 384) -> None:
    """Write a network of zeros whose file takes little room."""
    shapes = {name: value.shape for name, value in _empty_network(SIZES[width]).state_dict().items()}
    torch.save({name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}, path)


def state_of(name: str, folder: Path) -> str:
    return next(row.state for row in list_models(folder) if row.name == name)


def test_the_original_file_is_named_as_published(tmp_path: Path) -> None:
    assert original_file("depth-anything-v2-vitl", tmp_path).name == "depth_anything_v2_vitl.pth"


def test_an_original_checkpoint_is_used_and_listed(tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path, depth_size_px=56))
    assert engines.depth() is None and engines.describe()["depth"]["auto"] == "none"
    assert state_of(DEFAULT_DEPTH, tmp_path) == "absent"
    write_zeros(original_file(DEFAULT_DEPTH, tmp_path))
    assert engines.describe()["depth"] == {"auto": DEFAULT_DEPTH, "device": "not loaded yet", "why": ""}
    network = engines.depth()
    assert network is not None and network.shorter_side_px == 56 and network.precision == "fast"
    assert engines.describe()["depth"]["device"] == network.device
    assert state_of(DEFAULT_DEPTH, tmp_path) == "complete"


def test_a_broken_hub_file_gives_way_to_the_original(tmp_path: Path) -> None:
    for file in CATALOGUE[DEFAULT_DEPTH].files:
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            stream.truncate(file.size_bytes or 0)
    with pytest.raises(ModelUnavailableError, match="models fetch"):
        find_depth_weights(DEFAULT_DEPTH, tmp_path)
    original_file(DEFAULT_DEPTH, tmp_path).touch()
    assert has_depth_weights(DEFAULT_DEPTH, tmp_path)
    assert find_depth_weights(DEFAULT_DEPTH, tmp_path) == original_file(DEFAULT_DEPTH, tmp_path)


def test_the_larger_networks_are_used_only_when_the_operator_names_them(tmp_path: Path) -> None:
    original_file("depth-anything-v2-vitb", tmp_path).touch()
    assert Engines(Settings(checkpoints_dir=tmp_path)).describe()["depth"]["auto"] == "none"
    asked = Engines(Settings(checkpoints_dir=tmp_path, depth_model="depth-anything-v2-vitb"))
    assert asked.describe()["depth"]["auto"] == "depth-anything-v2-vitb"
    absent = Engines(Settings(checkpoints_dir=tmp_path, depth_model="depth-anything-v2-vitl"))
    assert "models fetch depth-anything-v2-vitl" in absent.describe()["depth"]["why"]


def test_a_file_that_holds_another_network_is_skipped_with_a_reason(tmp_path: Path) -> None:
    write_zeros(original_file("depth-anything-v2-vitb", tmp_path))
    engines = Engines(Settings(checkpoints_dir=tmp_path, depth_model="depth-anything-v2-vitb"))
    assert engines.depth() is None
    assert "holds the network vits" in engines.describe()["depth"]["why"]


def test_a_file_that_is_no_checkpoint_is_skipped_with_a_reason(tmp_path: Path) -> None:
    original_file(DEFAULT_DEPTH, tmp_path).write_bytes(b"not a checkpoint")
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    assert engines.depth() is None
    assert engines.describe()["depth"]["auto"] == "none"
    assert "cannot be read" in engines.describe()["depth"]["why"]
