import pytest

from tests.helpers.published_config import published_config
from tsr import TripoSRConfig


def test_the_defaults_are_the_published_model():
    config = TripoSRConfig()
    assert (config.num_heads * config.head_size, config.plane_channels) == (1024, 40)


def test_the_golden_network_has_the_sizes_of_its_published_configuration(published):
    config = published_config(published["config"], published["vit"])
    assert (config.image_size_px, config.plane_size, config.channels, config.num_layers) == (64, 8, 64, 2)
    assert (config.image_encoder.hidden_size, config.image_encoder.norm_eps) == (48, 1e-12)
    assert (config.field_width, config.field_layers, config.radius, config.density_bias) == (16, 3, 0.87, -1.0)


def test_sizes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="patch"):
        TripoSRConfig(image_size_px=500)
