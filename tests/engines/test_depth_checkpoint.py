"""Weights are read without running anything, renamed strictly, and refused in one sentence."""

import pickle
import re

import pytest
import torch
from safetensors.torch import save_file

from backend.contract.errors import ModelUnavailableError
from backend.engines.depth_anything import load_depth_anything
from backend.engines.depth_checkpoint import read_tensors, rename

LIBRARY_TO_HUB = {
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
}


def hub_name(name):
    for new, old in LIBRARY_TO_HUB.items():
        name = name.replace(new, old)
    return name


@pytest.fixture(scope="module")
def shapes():
    """Names and shapes of vits as the hub has them."""
    from backend.engines.depth_anything import SIZES, _empty_network

    return {hub_name(name): tuple(value.shape) for name, value in _empty_network(SIZES[384]).state_dict().items()}


def light(shape):
    """Return a tensor of zeros that takes four bytes in a .pth file, whatever its shape."""
    return torch.zeros(1).expand(shape)


def saved(tmp_path, state, name="weights.pth"):
    path = tmp_path / name
    torch.save(state, path)
    return path


def test_a_complete_file_is_accepted_and_its_size_found(tmp_path, shapes):
    model = load_depth_anything(saved(tmp_path, {n: light(s) for n, s in shapes.items()}), device="cpu")
    assert model.size.name == "vits"


def test_the_fused_matrix_is_cut_into_query_key_and_value_in_this_order():
    fused = torch.arange(6.0)[:, None].repeat(1, 2)
    renamed = rename({"pretrained.blocks.3.attn.qkv.weight": fused})
    for part, first in (("q", 0), ("k", 2), ("v", 4)):
        piece = renamed[f"backbone.encoder.layer.3.attention.{part}_proj.weight"]
        assert piece[0, 0] == first
        assert piece.shape == (2, 2)


def test_fusion_blocks_are_counted_from_the_other_end():
    name = "depth_head.scratch.refinenet4.resConfUnit2.conv1.bias"
    assert list(rename({"pretrained.cls_token": torch.zeros(1), name: torch.zeros(1)}))[1] == (
        "neck.fusion_stage.layers.0.residual_layer2.convolution1.bias"
    )


def test_every_original_name_finds_its_place(shared, shapes):
    import json

    table = json.loads((shared / "golden" / "depth_anything_v2_vits.json").read_text())["state"]
    renamed = rename({name: light(shape) for name, shape in table.items()})
    expected = rename({name: light(shape) for name, shape in shapes.items()})
    assert {n: tuple(v.shape) for n, v in renamed.items()} == {n: tuple(v.shape) for n, v in expected.items()}


@pytest.mark.parametrize("damage", ["missing", "extra", "shape"])
def test_one_wrong_tensor_is_one_clear_sentence(tmp_path, shapes, damage):
    state = {name: light(shape) for name, shape in shapes.items()}
    if damage == "missing":
        del state["head.conv3.bias"]
    elif damage == "extra":
        state["head.conv4.bias"] = light((3,))
    else:
        state["head.conv3.bias"] = light((2,))
    with pytest.raises(ModelUnavailableError, match=r"conv[34]\.bias") as caught:
        load_depth_anything(saved(tmp_path, state))
    assert re.fullmatch(r"[^\n]+\.", caught.value.detail)
    assert str(tmp_path) not in caught.value.detail


def test_another_networks_weights_are_refused(tmp_path):
    with pytest.raises(ModelUnavailableError, match="not those"):
        load_depth_anything(saved(tmp_path, {"conv.weight": light((3, 3))}))


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


@pytest.mark.parametrize("kind", ["bomb", "garbage", "empty", "list", "integers", "raw pickle"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_another_kind_is_refused_and_runs_nothing(tmp_path, kind, suffix):
    path = tmp_path / f"weights{suffix}"
    if kind in ("bomb", "list", "integers"):
        torch.save({"bomb": Bomb(), "list": [1], "integers": {"a": torch.zeros(2, dtype=torch.int64)}}[kind], path)
    else:
        path.write_bytes({"garbage": b"PK\x03\x04" + b"x" * 99, "empty": b"", "raw pickle": pickle.dumps(Bomb())}[kind])
    with pytest.raises(ModelUnavailableError):
        read_tensors(path)


def test_an_absent_file_is_reported(tmp_path):
    with pytest.raises(ModelUnavailableError, match="not on this machine"):
        read_tensors(tmp_path / "none.safetensors")


def test_safetensors_are_read(tmp_path):
    save_file({"a": torch.ones(2, 3)}, str(tmp_path / "a.safetensors"))
    assert read_tensors(tmp_path / "a.safetensors")["a"].sum() == 6
