"""Depth weights in either form are found, and what /health says of them is true."""

from pathlib import Path

import pytest
import torch

from backend.api.startup import StartError, check_choices
from backend.contract.errors import ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.depth_anything import SIZES, _empty_network
from backend.engines.registry import Engines
from backend.weights.availability import (
    check_segmenter,
    damaged_models,
    describe,
    find_depth_weights,
    has_depth_weights,
    models_to_fetch,
    original_file,
    why_not,
)
from backend.weights.catalogue import AUTO_SEGMENTERS, CATALOGUE, DEFAULT_DEPTH, DEFAULT_MODELS
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


def lay(name: str, folder: Path) -> None:
    """Put files of the right size, which takes no room, where the model called `name` should be."""
    for file in CATALOGUE[name].files:
        with (folder / file.path).open("wb") as stream:
            stream.truncate(file.size_bytes or 0)


def test_auto_is_the_best_segmenter_that_is_here(tmp_path: Path) -> None:
    settings = Settings(checkpoints_dir=tmp_path)
    assert describe(settings, {}, {})["segmenter"]["auto"] == "border"
    for name in reversed(AUTO_SEGMENTERS):
        lay(name, tmp_path)
        assert describe(settings, {}, {})["segmenter"] == {"auto": name, "device": "not loaded yet", "why": ""}
    broken = {AUTO_SEGMENTERS[0]: "It is damaged."}
    assert describe(settings, {}, broken)["segmenter"]["auto"] == AUTO_SEGMENTERS[1]
    assert describe(settings, {}, broken)["segmenter"]["why"] == "It is damaged."


def test_the_operators_segmenter_comes_first_and_ours_stand_in_for_it(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[shoes]\nfile = "shoes.onnx"\ninput_size = 64\nmean = [0, 0, 0]\nstd = [1, 1, 1]\nactivation = "none"\n'
    )
    settings = Settings(checkpoints_dir=tmp_path, segmenter="shoes")
    assert check_segmenter(settings) == ""
    lay("u2netp", tmp_path)
    assert describe(settings, {}, {})["segmenter"]["auto"] == "u2netp"
    assert "Put shoes.onnx" in Engines(settings).why_stand_in("u2netp")
    (tmp_path / "shoes.onnx").write_bytes(b"a network")
    assert describe(settings, {}, {})["segmenter"]["auto"] == "shoes"
    assert describe(Settings(checkpoints_dir=tmp_path, segmenter="border"), {}, {})["segmenter"]["auto"] == "border"


@pytest.mark.parametrize("name", ["nothing-of-that-name", "triposr", "removebg", "bria-rmbg"])
def test_what_cannot_be_a_default_is_said_at_the_start(name: str, tmp_path: Path) -> None:
    settings = Settings(checkpoints_dir=tmp_path, logs_dir=tmp_path, segmenter=name)
    assert check_segmenter(settings).startswith(f"SEGMENTER={name}: ")
    with pytest.raises(StartError, match=f"SEGMENTER={name}"):
        check_choices(settings)
    assert Engines(settings).segmenter("auto").name == "border"


def test_damaged_weights_are_told_from_absent_and_from_partial_ones(tmp_path: Path) -> None:
    settings = Settings(checkpoints_dir=tmp_path)
    assert damaged_models(settings) == []
    (tmp_path / "u2net.onnx.part").write_bytes(b"the first bytes")
    (tmp_path / "u2netp.onnx").write_bytes(b"a download that another program broke off")
    assert "are only partly on this machine. Fetch them with" in why_not("u2net", settings, {})
    assert "damaged" in why_not("u2netp", settings, {})
    assert damaged_models(settings) == [why_not("u2netp", settings, {})]


def test_what_is_fetched_follows_the_operators_choice(tmp_path: Path) -> None:
    assert models_to_fetch(Settings(checkpoints_dir=tmp_path)) == DEFAULT_MODELS
    chosen = models_to_fetch(Settings(checkpoints_dir=tmp_path, segmenter="isnet-fp16"))
    assert chosen == ("isnet-fp16", DEFAULT_DEPTH, "triposr")
    assert models_to_fetch(Settings(checkpoints_dir=tmp_path, segmenter="border")) == (DEFAULT_DEPTH, "triposr")
