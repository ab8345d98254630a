"""Mask R-CNN (He et al. 2017) as a segmenter: torchvision's networks with their published COCO weights.

It knows 80 classes and finds single objects, as no other segmenter here does. Its masks are 28 cells a side, so their
outline is corrected by the picture before tier 1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.first_guess import FirstGuess
from backend.engines.instances import Instance, InstanceChoice, choose, combine, name_of
from backend.engines.mask_rcnn_outline import settle_outline
from backend.engines.network_errors import network_errors
from backend.engines.torch_device import choose_device
from backend.engines.torchvision_operators import HOW_TO_INSTALL, import_detection
from backend.images.arrays import Image, check_image
from backend.images.resize import rescale
from backend.weights.catalogue import Model
from backend.weights.on_disk import how_to_get

if TYPE_CHECKING:
    import torch

SHORTER_PX, LONGER_PX = 800, 1333  # the size at which the networks were trained and are asked
CLASSES = 91  # COCO's numbers, 0 is the background


class MaskRcnn:
    """The network on one device. It has no state: threads may share it."""

    one_scale = "Mask R-CNN looks at several scales by itself"

    def __init__(
        self,
        name: str,
        network: "torch.nn.Module",
        device: str,
        memoize: Memoize = compute_always,
        choice: InstanceChoice | None = None,
    ) -> None:
        self.name, self.device = name, device
        self._network, self._memoize, self._choice = network, memoize, choice or InstanceChoice()

    def choosing(self, choice: InstanceChoice) -> "MaskRcnn":
        """Return the same network with another choice of objects."""
        return MaskRcnn(self.name, self._network, self.device, self._memoize, choice)

    def predict(self, image: Image) -> FirstGuess:
        """Return the saliency of the chosen objects of `image` ((H, W, 3) uint8 RGB), at its own size.

        Raises ValueError for a wrong array, ModelUnavailableError when the network gives no usable answer and
        OutOfMemoryError when it does not fit into memory.
        """
        check_image(image)
        found = self.find(image)
        chosen = choose(found, self._choice)
        height, width = image.shape[:2]
        saliency = combine(chosen, (height, width))
        facts: dict[str, float | int | str | bool] = {
            "device": self.device,
            "instances_found": sum(one.score >= self._choice.score_threshold for one in found),
            "instances": len(chosen),
            "classes": ", ".join(one.name for one in chosen),
            "scores": ", ".join(f"{one.score:.3f}" for one in chosen),
        }
        if not chosen:
            return FirstGuess(saliency, (self._nothing(found),), facts)
        saliency, facts["outline_moved"] = settle_outline(image, saliency, max(one.cell_px for one in chosen))
        return FirstGuess(saliency, facts=facts, several=len(chosen) > 1)

    def find(self, image: Image) -> list[Instance]:
        """Return every object that the network sees in `image`, with a score of 0.05 or more, the highest first."""
        small = to_network_size(image)
        height, width = image.shape[:2]
        boxes, labels, scores, grids = self._memoize("segment", self.device, small, lambda: self._ask(small))
        boxes = boxes * np.array([width, height, width, height], np.float32)
        return [
            Instance(name_of(int(label)), float(score), (float(x0), float(y0), float(x1), float(y1)), grid)
            for (x0, y0, x1, y1), label, score, grid in zip(boxes, labels, scores, grids, strict=True)
        ]

    def _ask(self, small: Image) -> tuple[NDArray[Any], ...]:
        """Return boxes (N, 4) as shares of the picture, labels (N,), scores (N,) and grids (N, 28, 28), all float32.

        The network's own last step is left out: it would paste every mask at full size, a hundred of them.
        """
        import torch

        network: Any = self._network
        pixels = torch.from_numpy(small).to(self.device).permute(2, 0, 1).float() / 255
        with network_errors(self.name, (RuntimeError,)), torch.inference_mode():
            pictures, _ = network.transform([pixels])
            features = network.backbone(pictures.tensors)
            proposals, _ = network.rpn(pictures, features)
            (seen,), _ = network.roi_heads(features, proposals, pictures.image_sizes)
        height, width = pictures.image_sizes[0]
        boxes = seen["boxes"] / seen["boxes"].new_tensor([width, height, width, height])
        parts = (boxes, seen["labels"], seen["scores"], seen["masks"][:, 0])
        answer = tuple(part.float().cpu().numpy() for part in parts)
        if not all(np.isfinite(part).all() for part in answer):
            raise ModelUnavailableError(f"The network of {self.name} gives no usable answer.", model=self.name)
        return answer

    def _nothing(self, found: list[Instance]) -> str:
        wanted = ", ".join(sorted(self._choice.classes)) or "object of its 80 classes"
        seen = ", ".join(dict.fromkeys(f"{one.name} ({one.score:.2f})" for one in found[:5]))
        return f"Mask R-CNN sees no {wanted} here with a score of {self._choice.score_threshold:g} or more" + (
            f"; it sees: {seen}." if seen else "."
        )


def to_network_size(image: Image) -> Image:
    """Return `image` averaged down to the network's size, as it is where it is smaller: the network enlarges it."""
    height, width = image.shape[:2]
    return rescale(image, min(1.0, SHORTER_PX / min(height, width), LONGER_PX / max(height, width)))


def build_network(name: str, **sizes: int) -> "torch.nn.Module":
    """Return the network called `name` with random weights, in the layout of its published file; `sizes` (`min_size`,
    `max_size`, …) go to torchvision's MaskRCNN. Raises ModelUnavailableError where torchvision is not installed."""
    try:
        import_detection()
    except ImportError as error:
        raise ModelUnavailableError(f"{name} needs torchvision. {HOW_TO_INSTALL}", model=name) from error
    from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import FrozenBatchNorm2d

    network: torch.nn.Module
    if name == "maskrcnn-v2":
        network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=CLASSES, **sizes)
    else:
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None)
        for layer in backbone.modules():  # the first weights were trained with no epsilon under the variance's root
            if isinstance(layer, FrozenBatchNorm2d):
                layer.eps = 0.0
        network = MaskRCNN(backbone, CLASSES, **sizes)
    return network.eval().requires_grad_(False)


def load_mask_rcnn(
    model: Model, files: Sequence[Path], settings: Settings, memoize: Memoize = compute_always
) -> MaskRcnn:
    """Return the segmenter with the weights of the one file, a state dict; nothing in the file is run.

    Raises ModelUnavailableError for a broken file and for any missing, extra or misshapen tensor.
    """
    import pickle

    import torch

    (path,) = files
    network = build_network(model.name)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True)
    except (OSError, EOFError, RuntimeError, TypeError, AttributeError, ValueError, pickle.UnpicklingError) as error:
        detail = f"The file of {model.name} does not hold its weights. {how_to_get(model)}"
        raise ModelUnavailableError(detail, model=model.name) from error
    device = choose_device(settings.device, model.name).type
    device = "cpu" if device == "mps" else device  # its operators have not been tried on MPS
    return MaskRcnn(model.name, network.to(device), device, memoize)
