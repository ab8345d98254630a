"""The sizes of a TripoSR: one frozen config that every module reads."""

from dataclasses import dataclass, field

NORM_GROUPS = 32  # of the transformer's group norm, fixed in the published network


@dataclass(frozen=True)
class ImageEncoderConfig:
    """The vision transformer; the defaults are ViT-B/16 as DINO published it (Caron et al. 2021)."""

    hidden_size: int = 768  # channels of a patch's token
    num_layers: int = 12  # transformer blocks
    num_heads: int = 12  # attention heads of a block
    mlp_size: int = 3072  # hidden channels of a block's MLP
    patch_size_px: int = 16  # side of the square that becomes one token
    image_size_px: int = 224  # side of the picture that the position embeddings were trained for
    norm_eps: float = 1e-12  # added to the variance in the layer norms


@dataclass(frozen=True)
class TripoSRConfig:
    """Every size of the network; the defaults are the published model (Tochilkin et al. 2024).

    Raises ValueError when the sizes cannot go together.
    """

    image_encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)  # turns the picture into tokens
    image_size_px: int = 512  # side of the square picture that the encoder sees
    plane_size: int = 32  # triplane tokens along one side of a plane
    channels: int = 1024  # of a triplane token
    num_heads: int = 16  # attention heads of a block of the triplane's transformer
    head_size: int = 64  # channels of one of these heads
    num_layers: int = 16  # blocks of the triplane's transformer
    plane_channels: int = 40  # of the scene code, whose planes are 2 * plane_size wide
    field_width: int = 64  # channels of a hidden layer of the radiance field
    field_layers: int = 9  # hidden layers of the radiance field; one output layer follows
    density_bias: float = -1.0  # added to the raw density before the exponential
    radius: float = 0.87  # half the side of the box the object lives in, world units

    def __post_init__(self) -> None:
        encoder = self.image_encoder
        if self.channels % NORM_GROUPS:
            raise ValueError(f"channels must be a multiple of {NORM_GROUPS}, not {self.channels}")
        if encoder.hidden_size % encoder.num_heads:
            raise ValueError(f"{encoder.num_heads} heads do not divide a hidden size of {encoder.hidden_size}")
        if self.image_size_px % encoder.patch_size_px or encoder.image_size_px % encoder.patch_size_px:
            raise ValueError(f"picture sizes must be multiples of the patch size, {encoder.patch_size_px} px")
