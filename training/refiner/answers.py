"""What real networks answer for the pictures of training: published ONNX files as torch modules, by onnx2torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from backend.images.arrays import Image
from backend.weights.catalogue import NetworkInput


class Network:
    """A segmentation network on a device."""

    def __init__(self, path: Path, fed: NetworkInput, device: str) -> None:
        """Read the ONNX file at `path`, which takes pictures as `fed` says."""
        from onnx2torch import convert

        self._module: nn.Module = convert(_without_casts(onnx.load(path))).eval().to(device)
        self._fed, self._device = fed, device

    @torch.no_grad()
    def __call__(self, images: Sequence[Image]) -> list[NDArray[np.uint8]]:
        """Return the saliency of each picture at its own size, (H, W) uint8; 255 is object.

        Pictures are resized by a bicubic filter here and by LANCZOS in the service; answers differ by some thousandths.
        """
        batch = torch.cat([self._input(image) for image in images])
        with torch.autocast(self._device, torch.float16 if self._device == "cuda" else torch.bfloat16):
            answer = self._module(batch)
        answer = answer[0] if isinstance(answer, (list, tuple)) else answer
        assert self._fed.activation == "none"
        return [_at(one, image.shape[:2]) for one, image in zip(answer.float(), images, strict=True)]

    def _input(self, image: Image) -> Tensor:
        values = torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None].float()
        small = functional.interpolate(values, self._fed.size, mode="bicubic", antialias=True).clamp(0, 255)
        small = small / (small.max().clamp(min=1e-6) if self._fed.stretched else 255)
        mean, std = (torch.tensor(one, device=self._device)[:, None, None] for one in (self._fed.mean, self._fed.std))
        return (small - mean) / std


def _at(answer: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    resized = functional.interpolate(answer[None], size, mode="bilinear", antialias=True)[0, 0]
    return np.asarray((resized.clamp(0, 1) * 255).round().to(torch.uint8).cpu())


def _without_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a half-precision network with its weights widened, and without the casts around its nodes."""
    wide = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    comes_from: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Cast" and any(one.name == "to" and one.i in wide for one in node.attribute):
            comes_from[node.output[0]] = node.input[0]
        else:
            kept.append(node)

    def origin(name: str) -> str:
        while name in comes_from:
            name = comes_from[name]
        return name

    renamed = {origin(output.name): output.name for output in model.graph.output}
    for node in kept:
        node.input[:] = [renamed.get(origin(name), origin(name)) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT16:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return model
