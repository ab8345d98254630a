"""Weights of Depth-Anything V2, read without executing anything and renamed to what transformers calls them.

There are three spellings of the same tensors: the original `depth_anything_v2_*.pth` (one fused matrix for
query, key and value), the hub's `model.safetensors` (older transformers names) and the library's present names.
Every quirk of the two foreign spellings is in this file.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from backend.contract.errors import ModelUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

ORIGINAL_MARK = "pretrained."  # every original checkpoint has its backbone under this prefix

# Pattern -> replacement, in the order tried; a name that none matches is kept and found to be unexpected later.
ORIGINAL_NAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"pretrained\.(cls_token|mask_token)", r"backbone.embeddings.\1"),
    (r"pretrained\.pos_embed", r"backbone.embeddings.position_embeddings"),
    (r"pretrained\.patch_embed\.proj\.(\w+)", r"backbone.embeddings.patch_embeddings.projection.\1"),
    (r"pretrained\.norm\.(\w+)", r"backbone.layernorm.\1"),
    (r"pretrained\.blocks\.(\d+)\.ls([12])\.gamma", r"backbone.encoder.layer.\1.layer_scale\2.lambda1"),
    (r"pretrained\.blocks\.(\d+)\.attn\.proj\.(\w+)", r"backbone.encoder.layer.\1.attention.o_proj.\2"),
    (r"pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.(\w+)", r"backbone.encoder.layer.\1.\2.\3"),
    (r"depth_head\.projects\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.projection.\2"),
    (r"depth_head\.resize_layers\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.resize.\2"),
    (r"depth_head\.scratch\.layer([1-4])_rn\.weight", lambda m: f"neck.convs.{int(m[1]) - 1}.weight"),
    # The original counts its fusion blocks from the finest map, transformers from the coarsest.
    (
        r"depth_head\.scratch\.refinenet([1-4])\.out_conv\.(\w+)",
        lambda m: f"neck.fusion_stage.layers.{4 - int(m[1])}.projection.{m[2]}",
    ),
    (
        r"depth_head\.scratch\.refinenet([1-4])\.resConfUnit([12])\.conv([12])\.(\w+)",
        lambda m: f"neck.fusion_stage.layers.{4 - int(m[1])}.residual_layer{m[2]}.convolution{m[3]}.{m[4]}",
    ),
    (r"depth_head\.scratch\.output_conv1\.(\w+)", r"head.conv1.\1"),
    (r"depth_head\.scratch\.output_conv2\.0\.(\w+)", r"head.conv2.\1"),
    (r"depth_head\.scratch\.output_conv2\.2\.(\w+)", r"head.conv3.\1"),
)
FUSED = re.compile(r"pretrained\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)")

HUB_NAMES: tuple[tuple[str, str], ...] = (
    (".attention.attention.query.", ".attention.q_proj."),
    (".attention.attention.key.", ".attention.k_proj."),
    (".attention.attention.value.", ".attention.v_proj."),
    (".attention.output.dense.", ".attention.o_proj."),
)


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """Return every tensor of a `.safetensors` or `.pth` file by name, memory-mapped, on the CPU.

    Only tensors are read: a pickle that wants to run something is refused. Raises ModelUnavailableError when the file
    is absent, is not such a file, or holds anything but named floating-point tensors.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelUnavailableError("The depth weights are not on this machine.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(str(path))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # untrusted bytes: the two readers raise a dozen kinds of errors
        raise ModelUnavailableError(
            "The depth weights cannot be read: the file is broken or of another kind."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) and value.is_floating_point()
        for name, value in state.items()
    ):
        raise ModelUnavailableError("The depth weights are not a plain table of named tensors.")
    return state


def rename(state: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Return the same tensors under the names that transformers' model has now; unknown names stay as they are."""
    if not any(name.startswith(ORIGINAL_MARK) for name in state):
        return {_from_hub(name): value for name, value in state.items()}
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        fused = FUSED.fullmatch(name)
        if fused is None:
            renamed[_from_original(name)] = value
        elif value.shape[0] % 3:
            raise ModelUnavailableError(f"The depth weights do not fit: {name} has the wrong shape.")
        else:
            for part, piece in zip("qkv", value.chunk(3), strict=True):
                renamed[f"backbone.encoder.layer.{fused[1]}.attention.{part}_proj.{fused[2]}"] = piece
    return renamed


def _from_original(name: str) -> str:
    for pattern, replacement in ORIGINAL_NAMES:
        match = re.fullmatch(pattern, name)
        if match is not None:
            return match.expand(replacement) if isinstance(replacement, str) else replacement(match)
    return name


def _from_hub(name: str) -> str:
    for old, new in HUB_NAMES:
        name = name.replace(old, new)
    return name
