"""The small bench figure of the shared folder: a density field whose surface is a known figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.helpers.published_config import published_config
from tsr.radiance_field import RadianceField, SceneField


def figure(shared: Path, published: Mapping[str, Any]) -> SceneField:
    """Return its decoder and its scene code, without the network that would make it; `published` as in the golden
    model's JSON."""
    fitted = np.load(shared / "bench" / "object_small.npz")
    code = torch.from_numpy(fitted["scene_code"].astype(np.float32))
    layers = [name.removesuffix(".weight") for name in fitted.files if name.endswith("weight")]
    sizes = {"in_channels": 3 * code.shape[1], "n_neurons": len(fitted[f"{layers[0]}.bias"])}
    decoder = {**published["config"]["decoder"], **sizes, "n_hidden_layers": len(layers) - 1}
    upsampler = {**published["config"]["post_processor"], "out_channels": code.shape[1]}
    config = {**published["config"], "decoder": decoder, "post_processor": upsampler}
    field = RadianceField(published_config(config, published["vit"]))
    linears = [module for module in field.modules() if isinstance(module, torch.nn.Linear)]
    for module, name in zip(linears, layers, strict=True):
        module.weight.data = torch.from_numpy(fitted[f"{name}.weight"])
        module.bias.data = torch.from_numpy(fitted[f"{name}.bias"])
    return SceneField(field, code)
