import copy

import pytest

from tsr import TripoSRConfig


def test_the_published_numbers_are_read_into_the_config(published):
    config = TripoSRConfig.from_published(published["config"], published["vit"])
    assert (config.image_size_px, config.plane_size, config.channels, config.num_layers) == (64, 8, 64, 2)
    assert (config.image_encoder.hidden_size, config.image_encoder.norm_eps) == (48, 1e-12)
    assert (config.field_width, config.field_layers, config.radius, config.density_bias) == (16, 3, 0.87, -1.0)


def test_the_defaults_are_the_published_model():
    config = TripoSRConfig()
    assert (config.num_heads * config.head_size, config.plane_channels, config.samples_per_ray) == (1024, 40, 128)


def test_a_missing_entry_is_named(published):
    config = copy.deepcopy(published["config"])
    del config["tokenizer"]["plane_size"]
    with pytest.raises(ValueError, match="plane_size"):
        TripoSRConfig.from_published(config, published["vit"])


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [
        ("decoder", "activation", "relu"),
        ("renderer", "density_activation", "softplus"),
        ("decoder", "in_channels", 40),
        ("backbone", "cross_attention_dim", 64),
    ],
)
def test_a_network_that_is_not_built_here_is_refused(published, part, entry, value):
    config = copy.deepcopy(published["config"])
    config[part][entry] = value
    with pytest.raises(ValueError, match=entry):
        TripoSRConfig.from_published(config, published["vit"])


def test_sizes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="patch"):
        TripoSRConfig(image_size_px=500)
