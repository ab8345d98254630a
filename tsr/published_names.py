"""The checkpoint's own names for our tensors: every quirk of the published layout, in one place.

Also the names that newer versions of transformers give the vision transformer's layers.
"""

import re

from torch import Tensor, nn

from tsr.config import TripoSRConfig

VIT = "image_tokenizer.model"

# Published name -> ours; both have a weight and a bias.
LAYERS = {
    f"{VIT}.embeddings.patch_embeddings.projection": "image_encoder.patches",
    f"{VIT}.layernorm": "image_encoder.norm",
    "backbone.norm": "transformer.norm",
    "backbone.proj_in": "transformer.proj_in",
    "backbone.proj_out": "transformer.proj_out",
    "post_processor.upsample": "upsampler.blocks",
}
ALONE = {
    f"{VIT}.embeddings.cls_token": "image_encoder.class_token",
    f"{VIT}.embeddings.position_embeddings": "image_encoder.trained_positions",
    "tokenizer.embeddings": "transformer.embeddings",
}
# Within one layer: published name -> ours, and which of how many equal parts of our rows it is.
ENCODER_LAYER = {
    "layernorm_before": ("norm1", 0, 1),
    "attention.attention.query": ("attention.to_qkv", 0, 3),
    "attention.attention.key": ("attention.to_qkv", 1, 3),
    "attention.attention.value": ("attention.to_qkv", 2, 3),
    "attention.output.dense": ("attention.to_out", 0, 1),
    "layernorm_after": ("norm2", 0, 1),
    "intermediate.dense": ("expand", 0, 1),
    "output.dense": ("contract", 0, 1),
}
TRANSFORMER_LAYER = {
    "norm1": ("norm1", 0, 1),
    "attn1.to_q": ("self_attention.to_qkv", 0, 3),
    "attn1.to_k": ("self_attention.to_qkv", 1, 3),
    "attn1.to_v": ("self_attention.to_qkv", 2, 3),
    "attn1.to_out.0": ("self_attention.to_out", 0, 1),
    "norm2": ("norm2", 0, 1),
    "attn2.to_q": ("cross_attention.to_q", 0, 1),
    "attn2.to_k": ("cross_attention.to_kv", 0, 2),
    "attn2.to_v": ("cross_attention.to_kv", 1, 2),
    "attn2.to_out.0": ("cross_attention.to_out", 0, 1),
    "norm3": ("norm3", 0, 1),
    "ff.net.0.proj": ("feed_forward.expand", 0, 1),
    "ff.net.2": ("feed_forward.contract", 0, 1),
}

_NEWER_LAYER = re.compile(r"image_tokenizer\.model\.(?:encoder\.layer|layers)\.(\d+)\.(.+)\.(weight|bias)")
_NEWER_PARTS = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def published_name(name: str) -> str:
    """Return the published name of a tensor that a newer library may have written under another."""
    layer = _NEWER_LAYER.fullmatch(name)
    if layer is None:
        return name
    number, part, kind = layer.groups()
    return f"{VIT}.encoder.layer.{number}.{_NEWER_PARTS.get(part, part)}.{kind}"


def unused_shapes(config: TripoSRConfig) -> dict[str, tuple[int, ...]]:
    """Return the tensors that stand in the checkpoint and take no part: the vision transformer's pooler."""
    width = config.image_encoder.hidden_size
    return {f"{VIT}.pooler.dense.weight": (width, width), f"{VIT}.pooler.dense.bias": (width,)}


def published_slots(model: nn.Module, config: TripoSRConfig) -> dict[str, Tensor]:
    """Return, for every published name, the part of the model's parameters it belongs into: writing there loads it."""
    slots = {name: model.get_parameter(path).detach() for name, path in ALONE.items()}
    for name, path in LAYERS.items():
        slots |= _layer(model, name, path, 0, 1)
    for number in range(config.image_encoder.num_layers):
        for name, (path, part, parts) in ENCODER_LAYER.items():
            ours = f"image_encoder.blocks.{number}.{path}"
            slots |= _layer(model, f"{VIT}.encoder.layer.{number}.{name}", ours, part, parts)
    for number in range(config.num_layers):
        for name, (path, part, parts) in TRANSFORMER_LAYER.items():
            ours = f"transformer.blocks.{number}.{path}"
            slots |= _layer(model, f"backbone.transformer_blocks.{number}.{name}", ours, part, parts)
    # The published list counts the activations between the linears, which therefore have the even numbers.
    slots |= _layer(model, "decoder.layers.0", "field.first", 0, 1)
    for number in range(1, config.field_layers):
        slots |= _layer(model, f"decoder.layers.{2 * number}", f"field.hidden.{number - 1}", 0, 1)
    return slots | _layer(model, f"decoder.layers.{2 * config.field_layers}", "field.out", 0, 1)


def _layer(model: nn.Module, name: str, path: str, part: int, parts: int) -> dict[str, Tensor]:
    ours = dict(model.get_submodule(path).named_parameters(recurse=False))  # weight, and a bias where there is one
    return {f"{name}.{kind}": tensor.detach().chunk(parts)[part] for kind, tensor in ours.items()}
