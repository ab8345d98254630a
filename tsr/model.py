"""TripoSR: one photo on grey goes in; a triplane, densities, colours and a mesh come out (Tochilkin et al. 2024).

The assembler: it holds the parts, loads their weights, and reports what runs where. The service calls `encode` and
`scene`; `query` and `extract_mesh` are the library's interface for one object at a time.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tsr.checkpoint import Shapes, Weights, read_weights, weights_file, weights_in_memory
from tsr.config import TripoSRConfig
from tsr.device import choose_device, choose_precision, cpu_multiplies_bfloat16
from tsr.errors import CheckpointError
from tsr.image_encoder import ImageEncoder
from tsr.packed import pack
from tsr.published_names import published_name, published_slots, unused_shapes
from tsr.radiance_field import RadianceField, SceneField
from tsr.surface_mesh import Method, SurfaceMesh, mesh_of
from tsr.transformer import TriplaneTransformer
from tsr.triplane import Upsampler


class TripoSR(nn.Module):
    """The network. It takes no memory until weights are loaded, and computes nothing before.

    The image encoder's and the transformer's products run in `precision` (see `tsr.device`); what passes through
    between them, the way out and the radiance field are float32 everywhere.
    """

    def __init__(self, config: TripoSRConfig, device: str = "cpu", precision: str = "float32") -> None:
        super().__init__()
        self.config = config
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device)
        self._build()
        slots = published_slots(self, config)
        self.published_shapes: Shapes = {name: tuple(slot.shape) for name, slot in slots.items()}
        self.published_shapes |= unused_shapes(config)

    @classmethod
    def from_pretrained(
        cls,
        source: Path,
        device: str = "auto",
        precision: str = "auto",
        *,
        digest: str = "",
        config: TripoSRConfig | None = None,
    ) -> "TripoSR":
        """Return the model with the weights of a file, or of the file in a folder.

        `digest` is the checkpoint's own, as the caller has checked it: with it a converted copy is kept beside the
        checkpoint. `config` is for weights of other sizes than the published ones. Raises CheckpointError when the
        weights cannot be used, ValueError for an unknown device or precision.
        """
        model = cls(config or TripoSRConfig(), device, precision)
        model._load(read_weights(weights_file(source), model._check, digest))
        return model

    def load_published(self, state: Mapping[str, Tensor | NDArray[np.float32]]) -> None:
        """Load a state dict with the published names (or those newer transformers give the ViT's layers).

        Raises CheckpointError when a tensor is missing, unexpected, of another shape, or not finite.
        """
        weights = weights_in_memory({name: torch.as_tensor(value) for name, value in state.items()})
        self._check(weights.shapes)
        self._load(weights)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return scene codes (B, 3, plane_channels, S, S) float32 of `images` (B, 3, H, W) in [0, 1], on grey 0.5.

        Pictures of any size are resized to the square the encoder sees; they should be square already.
        """
        self._check_ready()
        image_tokens = self.image_encoder(self._resized(images))
        return self.upsampler(self.transformer(image_tokens))  # type: ignore[no-any-return]

    def query(self, code: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return density (N,) and color (N, 3) of `code` (3, plane_channels, S, S) at `points` (N, 3), world units."""
        return self.scene(code).query(points)

    def extract_mesh(
        self,
        code: Tensor,
        *,
        resolution: int = 256,
        isovalue: float = 25.0,
        method: Method = "sparse",
        close: bool = True,
        min_component: float = 0.01,
    ) -> SurfaceMesh:
        """Return the surface density = isovalue of `code`, coloured; see `tsr.surface_mesh.mesh_of`."""
        return mesh_of(
            self.scene(code),
            resolution=resolution,
            isovalue=isovalue,
            method=method,
            close=close,
            min_component=min_component,
        )

    def scene(self, code: Tensor, max_points: int | None = None) -> SceneField:
        """Return the radiance field bound to one `code` (3, plane_channels, S, S); a batch of one is one too.

        `max_points` bounds what goes through the field at once, for a device that is short of memory.
        """
        self._check_ready()
        side = 2 * self.config.plane_size
        wanted = (3, self.config.plane_channels, side, side)
        if tuple(code.shape) not in (wanted, (1, *wanted)):
            raise ValueError(f"a scene code is {wanted}, not {tuple(code.shape)}")
        if not bool(torch.isfinite(code).all()):
            raise ValueError("the scene code holds a number that is not finite")
        return SceneField(self.field, code.view(wanted).to(self.device, torch.float32), max_points)

    def stages(self) -> dict[str, str]:
        """Return what runs where and in which precision, for reports."""
        device = self.device.type
        return {"encode": f"{device} {str(self.dtype).removeprefix('torch.')}", "extract": f"{device} float32"}

    def _resized(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point() or images.numel() == 0:
            raise ValueError(f"images are (B, 3, H, W) floats, not {tuple(images.shape)} {images.dtype}")
        low, high = images.aminmax()
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # written so that NaN fails
            raise ValueError(f"images lie in [0, 1], not [{float(low):.3g}, {float(high):.3g}]")
        # MPS has no antialiased resize; on the CPU it costs a few milliseconds.
        source = images.cpu() if images.device.type == "mps" else images
        size = (self.config.image_size_px, self.config.image_size_px)
        resized = F.interpolate(source.float(), size, mode="bilinear", align_corners=False, antialias=True)
        return resized.to(self.device)

    def _build(self) -> None:
        self.ready = False
        with torch.device("meta"):
            self.image_encoder = ImageEncoder(self.config, self.dtype)
            self.transformer = TriplaneTransformer(self.config, self.dtype)
            self.upsampler = Upsampler(self.config)
            self.field = RadianceField(self.config)
        self.requires_grad_(False).eval()

    def _check_ready(self) -> None:
        if not self.ready:
            raise RuntimeError("load weights first: TripoSR.from_pretrained, or load_published")

    def _check(self, found: Shapes) -> None:
        check_shapes(found, self.published_shapes)

    @torch.no_grad()
    def _load(self, weights: Weights) -> None:
        self._build()
        self.to_empty(device=self.device)
        slots = published_slots(self, self.config)
        for name, tensor in _used(weights, slots):
            if not bool(torch.isfinite(torch.stack(tensor.aminmax())).all()):  # both are NaN if any number is
                raise CheckpointError(f"the weights hold a number that is not finite, in {name}")
            slots[name].copy_(tensor)
        self.image_encoder.prepare()
        self.transformer.prepare()
        if self.device.type == "cpu" and self.dtype == torch.bfloat16 and cpu_multiplies_bfloat16():
            pack(self.image_encoder)
            pack(self.transformer)
        self.ready = True


def _used(weights: Weights, slots: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in weights.tensors():
        ours = published_name(name)
        if ours in slots:
            yield ours, tensor


def check_shapes(found: Shapes, wanted: Shapes) -> None:
    """Raise CheckpointError unless `found`, by published or newer names, has exactly the names and shapes `wanted`."""
    named = {published_name(name): shape for name, shape in found.items()}
    missing, unexpected = wanted.keys() - named.keys(), named.keys() - wanted.keys()
    other = {name for name in wanted.keys() & named.keys() if wanted[name] != named[name]}
    problems = [
        f"{len(names)} tensors {what}, such as {min(names)}"
        for names, what in ((missing, "missing"), (unexpected, "unexpected"), (other, "of another shape"))
        if names
    ]
    if len(named) != len(found):
        problems.append("a tensor that is there under two names")
    if problems:
        raise CheckpointError(f"these are not the weights of this model: {'; '.join(problems)}")
