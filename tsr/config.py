"""The numbers of a TripoSR: what the published configuration says, in our own words.

In: the two dictionaries that are published with a checkpoint. Out: one frozen config that every module reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ImageEncoderConfig:
    """The vision transformer; the defaults are ViT-B/16 as DINO published it (Caron et al. 2021)."""

    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    patch_size_px: int = 16
    image_size_px: int = 224  # what the position embeddings were trained for
    norm_eps: float = 1e-12


@dataclass(frozen=True)
class TripoSRConfig:
    """Every size of the network; the defaults are the published model (Tochilkin et al. 2024).

    Raises ValueError when the sizes cannot go together.
    """

    image_encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)
    image_size_px: int = 512  # the square picture the encoder sees
    plane_size: int = 32  # triplane tokens along one side of a plane
    channels: int = 1024  # of a triplane token
    num_heads: int = 16
    head_size: int = 64
    num_layers: int = 16
    plane_channels: int = 40  # of the scene code, whose planes are 2 * plane_size wide
    field_width: int = 64
    field_layers: int = 9  # hidden layers; one output layer follows
    density_bias: float = -1.0  # added before the exponential
    radius: float = 0.87  # half the side of the box the object lives in, world units
    samples_per_ray: int = 128

    def __post_init__(self) -> None:
        encoder = self.image_encoder
        if self.channels % NORM_GROUPS:
            raise ValueError(f"channels must be a multiple of {NORM_GROUPS}, not {self.channels}")
        if encoder.hidden_size % encoder.num_heads:
            raise ValueError(f"{encoder.num_heads} heads do not divide a hidden size of {encoder.hidden_size}")
        if self.image_size_px % encoder.patch_size_px or encoder.image_size_px % encoder.patch_size_px:
            raise ValueError(f"picture sizes must be multiples of the patch size, {encoder.patch_size_px} px")

    @classmethod
    def from_published(cls, config: Mapping[str, Any], vit: Mapping[str, Any]) -> "TripoSRConfig":
        """Return the config that the published `config.yaml` and the ViT's `config.json` describe.

        Entries that name classes are skipped: they carry no numbers. Raises ValueError for a missing entry, for
        sizes that contradict each other, and for a variant of the network that is not built here.
        """
        try:
            return cls._read(config, vit)
        except KeyError as missing:
            raise ValueError(f"the published configuration has no entry {missing}") from None

    @classmethod
    def _read(cls, config: Mapping[str, Any], vit: Mapping[str, Any]) -> "TripoSRConfig":
        tokens, backbone, upsampler = config["tokenizer"], config["backbone"], config["post_processor"]
        decoder, renderer = config["decoder"], config["renderer"]
        _expect("activation", decoder.get("activation", "silu"), "silu")
        _expect("feature_reduction", renderer.get("feature_reduction", "concat"), "concat")
        _expect("density_activation", renderer.get("density_activation", "exp"), "exp")
        _expect("hidden_act", vit.get("hidden_act", "gelu"), "gelu")
        _expect("qkv_bias", vit.get("qkv_bias", True), True)
        _expect("num_channels of the ViT", vit.get("num_channels", 3), 3)
        _expect("backbone.in_channels", backbone["in_channels"], tokens["num_channels"])
        _expect("post_processor.in_channels", upsampler["in_channels"], tokens["num_channels"])
        _expect("decoder.in_channels", decoder["in_channels"], 3 * upsampler["out_channels"])
        _expect("backbone.cross_attention_dim", backbone["cross_attention_dim"], vit["hidden_size"])
        return cls(
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
            samples_per_ray=renderer["num_samples_per_ray"],
        )


NORM_GROUPS = 32  # of the transformer's group norm, fixed in the published network


def _expect(name: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{name} is {found!r} in the published configuration; only {wanted!r} is supported")
