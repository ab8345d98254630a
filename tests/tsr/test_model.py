import json

import numpy as np
import pytest
import torch

from tests.helpers.published_config import published_config
from tests.helpers.stand_in_weights import difference, ring_picture, stand_in_state
from tsr import CheckpointError, TripoSR, TripoSRConfig

NEWER = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}


def newer_name(name: str, layers: str) -> str:
    for old, new in NEWER.items():
        if f".{old}." in name and ".layer." in name:
            name = name.replace(f".{old}.", f".{new}.")
            break
    return name.replace("encoder.layer", layers)


def test_scene_codes_are_the_published_ones(small):
    assert difference(small.code.unsqueeze(0), small.numbers["scene_codes"]) < 2e-5


@pytest.mark.parametrize("layers", ["layers", "encoder.layer"])
def test_the_names_of_newer_transformers_load_the_same_model(small, layers):
    model = TripoSR(small.config)
    renamed = {newer_name(name, layers): tensor for name, tensor in small.state.items()}
    assert renamed.keys() != small.state.keys()
    model.load_published(renamed)
    torch.testing.assert_close(model.encode(ring_picture())[0], small.code)


def test_numpy_weights_are_taken_as_well(small):
    model = TripoSR(small.config)
    model.load_published({name: tensor.numpy() for name, tensor in small.state.items()})
    assert torch.equal(model.encode(ring_picture())[0], small.code)


def test_every_missing_unexpected_and_misshapen_tensor_is_reported_at_once(small):
    state = dict(small.state)
    del state["backbone.norm.bias"]
    state["stranger"] = torch.zeros(1)
    state["decoder.layers.0.bias"] = torch.zeros(17)
    with pytest.raises(CheckpointError, match=r"1 .*missing.*backbone.norm.bias.*unexpected.*stranger.*decoder"):
        TripoSR(small.config).load_published(state)


def test_a_missing_tensor_that_nothing_uses_is_missing_all_the_same(small):
    state = {name: tensor for name, tensor in small.state.items() if "pooler" not in name}
    with pytest.raises(CheckpointError, match="pooler"):
        TripoSR(small.config).load_published(state)


def test_a_tensor_under_both_names_is_refused(small):
    name = "image_tokenizer.model.encoder.layer.0.intermediate.dense.bias"
    doubled = {**small.state, newer_name(name, "layers"): small.state[name]}
    with pytest.raises(CheckpointError, match="two names"):
        TripoSR(small.config).load_published(doubled)


def test_a_weight_that_is_not_a_number_is_refused(small):
    state = dict(small.state)
    state["backbone.norm.bias"] = torch.full((64,), float("nan"))
    with pytest.raises(CheckpointError, match=r"not finite.*backbone.norm.bias"):
        TripoSR(small.config).load_published(state)


def test_a_model_without_weights_says_so(small):
    with pytest.raises(RuntimeError, match="load weights"):
        TripoSR(small.config).encode(torch.zeros(1, 3, 64, 64))


def test_bfloat16_gives_nearly_the_same_code(small):
    model = TripoSR(small.config, precision="bfloat16")
    model.load_published(small.state)
    code = model.encode(ring_picture())[0]
    assert code.dtype == torch.float32
    assert 0 < float((code - small.code).abs().max() / small.code.abs().max()) < 0.03
    assert model.stages() == {"encode": "cpu bfloat16", "extract": "cpu float32"}


def test_weights_can_be_loaded_again_in_every_precision(small):
    model = TripoSR(small.config, precision="bfloat16")
    model.load_published({name: tensor * 0.5 for name, tensor in small.state.items()})
    other = model.encode(ring_picture())[0]
    model.load_published(small.state)
    again = model.encode(ring_picture())[0]
    assert float((again - small.code).abs().max() / small.code.abs().max()) < 0.03
    assert (other - again).abs().max() > 0.1


def test_a_batch_is_its_pictures_one_by_one(small):
    pictures = torch.cat([ring_picture(), ring_picture().flip(3)])
    codes = small.model.encode(pictures)
    torch.testing.assert_close(codes[0], small.code, atol=1e-5, rtol=1e-5)
    assert (codes[1] - codes[0]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(3, 64, 64),
        torch.zeros(1, 4, 64, 64),
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        torch.full((1, 3, 64, 64), 255.0),
        torch.full((1, 3, 64, 64), float("nan")),
        torch.zeros(0, 3, 64, 64),
    ],
)
def test_what_is_not_a_batch_of_pictures_is_refused(small, images):
    with pytest.raises(ValueError, match="images"):
        small.model.encode(images)


def test_a_code_of_another_size_is_refused(small):
    with pytest.raises(ValueError, match="scene code"):
        small.model.query(torch.zeros(3, 8, 8, 8), torch.zeros(1, 3))


def test_a_code_that_is_not_finite_makes_no_empty_mesh_but_an_error(small):
    with pytest.raises(ValueError, match="not finite"):
        small.model.extract_mesh(torch.full_like(small.code, float("nan")), resolution=16)


@pytest.mark.parametrize(("device", "precision"), [("tpu", "auto"), ("cpu", "float16"), ("cpu", "int4")])
def test_an_unknown_device_or_precision_is_refused(small, device, precision):
    with pytest.raises(ValueError, match=device if device == "tpu" else precision):
        TripoSR(small.config, device, precision)


def test_a_mesh_has_the_colours_of_the_field_at_its_vertices(small):
    mesh = small.model.extract_mesh(small.code, resolution=24, isovalue=float(small.numbers["mesh_threshold"]))
    assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int64 and mesh.colors.dtype == np.float32
    assert len(mesh.vertices) > 100
    _, color = small.model.query(small.code, torch.from_numpy(mesh.vertices))
    np.testing.assert_allclose(mesh.colors, color.numpy(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_full_size_model_gives_the_published_numbers(shared):
    published = json.loads((shared / "golden" / "tsr_full.json").read_text())
    numbers = np.load(shared / "golden" / "tsr_full.npz")
    config = published_config(published["config"], published["vit"])
    assert config == TripoSRConfig()
    model = TripoSR(config)
    model.load_published(stand_in_state(published["state"]))
    image_tokens = model.image_encoder(ring_picture())
    published_layout = image_tokens.transpose(1, 2).unsqueeze(1)
    assert difference(published_layout[..., :4], numbers["image_tokens_head"]) < 2e-5
    assert difference(published_layout[..., -4:], numbers["image_tokens_tail"]) < 2e-5
    tokens = model.transformer(image_tokens)
    assert difference(tokens[..., :8], numbers["triplane_tokens_head"]) < 2e-5
    code = model.upsampler(tokens)
    assert difference(code, numbers["scene_codes"]) < 2e-5
    density, color = model.query(code[0], torch.from_numpy(numbers["points"]))
    assert difference(torch.log(density.unsqueeze(1)) + 1, numbers["density"]) < 2e-5
    assert difference(color, numbers["color"]) < 2e-5
