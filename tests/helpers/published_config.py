"""The configuration of a golden network, read from the two dictionaries that are published with a checkpoint."""

from collections.abc import Mapping
from typing import Any

from tsr.config import ImageEncoderConfig, TripoSRConfig


def published_config(config: Mapping[str, Any], vit: Mapping[str, Any]) -> TripoSRConfig:
    """Return the sizes that the published `config.yaml` and the ViT's `config.json` describe."""
    tokens, backbone, upsampler = config["tokenizer"], config["backbone"], config["post_processor"]
    decoder, renderer = config["decoder"], config["renderer"]
    return TripoSRConfig(
        image_encoder=ImageEncoderConfig(
            hidden_size=vit["hidden_size"],
            num_layers=vit["num_hidden_layers"],
            num_heads=vit["num_attention_heads"],
            mlp_size=vit["intermediate_size"],
            patch_size_px=vit["patch_size"],
            image_size_px=vit["image_size"],
            norm_eps=float(vit["layer_norm_eps"]),
        ),
        image_size_px=config["cond_image_size"],
        plane_size=tokens["plane_size"],
        channels=tokens["num_channels"],
        num_heads=backbone["num_attention_heads"],
        head_size=backbone["attention_head_dim"],
        num_layers=backbone["num_layers"],
        plane_channels=upsampler["out_channels"],
        field_width=decoder["n_neurons"],
        field_layers=decoder["n_hidden_layers"],
        density_bias=float(renderer["density_bias"]),
        radius=float(renderer["radius"]),
    )
