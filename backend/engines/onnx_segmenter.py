"""An ONNX network that finds the object, asked for its raw saliency.

rembg stretches every answer to the full range, which turns the noise of an empty picture into an object, and rounds
it to 8 bits; here the output keeps the network's own values. What goes in is exactly what rembg feeds (2.0.86):
LANCZOS to the network's size, divided by the picture's own brightest value, then mean and deviation.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from backend.cache.memoize import Memoize, compute_always
from backend.contract.errors import ModelUnavailableError, OutOfMemoryError
from backend.contract.memory import is_out_of_memory
from backend.contract.settings import Settings
from backend.engines.first_guess import FirstGuess
from backend.engines.micro_batch import MicroBatcher
from backend.engines.network_errors import network_errors
from backend.images.arrays import Image, Saliency, check_image
from backend.weights.catalogue import Activation, Model, NetworkInput
from backend.weights.on_disk import how_to_get

_DEVICES = {"CUDAExecutionProvider": "cuda", "CoreMLExecutionProvider": "mps", "CPUExecutionProvider": "cpu"}


class OnnxSegmenter:
    """A segmenter over one shared session; `predict` may be called from many threads at once."""

    one_scale = ""

    def __init__(
        self, name: str, session: Any, network: NetworkInput, memoize: Memoize = compute_always, batch_size: int = 1
    ) -> None:
        """Take an onnxruntime.InferenceSession; raise ModelUnavailableError unless it has the network's signature:
        one float input (1, 3, height, width) and a first output (1, 1, h, w) or (1, h, w). Up to `batch_size` pictures
        go through it at once where both batch axes are free."""
        self.name = name
        self.device = device_of(session)
        self._session, self._network, self._memoize = session, network, memoize
        inputs, output = session.get_inputs(), session.get_outputs()[0]
        if len(inputs) != 1 or not _fits(inputs[0].shape, (1, 3, *network.size)) or inputs[0].type != "tensor(float)":
            raise ModelUnavailableError(
                f"The network of {name} does not take one picture of {network.size[0]}×{network.size[1]} pixels.",
                model=name,
            )
        if len(output.shape) not in (3, 4) or not _fits(output.shape[:-2], (1, 1)[: len(output.shape) - 2]):
            raise ModelUnavailableError(f"The network of {name} does not answer with one mask.", model=name)
        self._input, self._output = inputs[0].name, output.name
        free = not isinstance(inputs[0].shape[0], int) and not isinstance(output.shape[0], int)
        self._ask = MicroBatcher(self._run, batch_size if free else 1)

    def predict(self, image: Image) -> FirstGuess:
        """Return the saliency of `image` ((H, W, 3) uint8 RGB), at its own size, as the network gives it.

        Raises ValueError for a wrong array, ModelUnavailableError when the network fails or gives numbers that are
        not finite, OutOfMemoryError when it does not fit into memory.
        """
        check_image(image)
        batch = network_input(image, self._network)
        (answer,) = self._memoize("segment", self.device, batch, lambda: (self._mask(batch),))
        facts: dict[str, float | int | str | bool] = {
            "device": self.device,
            "network_height": self._network.size[0],
            "network_width": self._network.size[1],
        }
        saliency = to_saliency(answer, self._network.activation, (image.shape[0], image.shape[1]))
        return FirstGuess(saliency, facts=facts)

    def _mask(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answer = self._ask(batch)
        if answer.ndim not in (3, 4) or answer.size != answer.shape[-2] * answer.shape[-1]:
            raise ModelUnavailableError(f"The network of {self.name} does not answer with one mask.", model=self.name)
        if not np.isfinite(answer).all():
            raise ModelUnavailableError(f"The network of {self.name} gives no usable answer.", model=self.name)
        mask: NDArray[np.float32] = answer.reshape(answer.shape[-2:]).astype(np.float32)
        return mask

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with network_errors(self.name, onnxruntime_errors()):
            answers: NDArray[np.float32] = self._session.run([self._output], {self._input: batch})[0]
        return answers


def network_input(image: Image, network: NetworkInput) -> NDArray[np.float32]:
    """Return what the network is fed for `image`: (1, 3, height, width) float32.

    The divisor is the brightest value left after resizing, not 255, where the network is used to that
    (`stretched`). A black picture has none and is divided by 1e-6, which leaves it black.
    """
    height, width = network.size
    small = np.asarray(PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.LANCZOS))
    levels = np.arange(256) / (max(float(small.max()), 1e-6) if network.stretched else 255.0)
    batch = np.empty((1, 3, height, width), np.float32)
    for channel in range(3):  # a table of 256 levels gives every pixel the float64 arithmetic of the original
        table = ((levels - network.mean[channel]) / network.std[channel]).astype(np.float32)
        batch[0, channel] = table[small[:, :, channel]]
    return batch


def to_saliency(answer: NDArray[np.float32], activation: Activation, size: tuple[int, int]) -> Saliency:
    """Return the network's (h, w) answer as saliency of `size` (height, width): activated, resized, clipped to [0, 1].

    Enlarged bilinearly, shrunk by area; the values in between are the network's, nothing is stretched or rounded.
    """
    if activation == "sigmoid":
        answer = 0.5 * (1.0 + np.tanh(0.5 * answer))  # the logistic function without its overflow
    height, width = size
    shrunk = (min(width, answer.shape[1]), min(height, answer.shape[0]))  # cv2 wants the width first
    resized = cv2.resize(np.ascontiguousarray(answer), shrunk, interpolation=cv2.INTER_AREA)
    resized = cv2.resize(resized, (width, height), interpolation=cv2.INTER_LINEAR)
    saliency: Saliency = np.clip(resized, 0.0, 1.0).astype(np.float32)
    return saliency


def load_onnx(model: Model, files: Sequence[Path], settings: Settings, memoize: Memoize) -> OnnxSegmenter:
    """Return the segmenter whose network is the one file. Raises ModelUnavailableError for one of another kind."""
    assert model.network is not None
    (path,) = files
    try:
        session = open_session(model.name, path, settings.threads, settings.device)
        return OnnxSegmenter(model.name, session, model.network, memoize, settings.batch_size)
    except ModelUnavailableError as error:
        raise ModelUnavailableError(f"{error.detail} {how_to_get(model)}", model=model.name) from error


def open_session(name: str, path: Path, threads: int, device: str = "auto") -> Any:
    """Open an ONNX file on the best provider there is (`device` "cpu": on the CPU).

    `threads` 0 takes one per core. Raises ModelUnavailableError when the file is not a network that can be run.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), session_options(threads), providers=providers_for(device))
    except onnxruntime_errors() as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"{name} did not fit into memory.") from error
        raise ModelUnavailableError(f"The file of {name} is not a network that can be run here.", model=name) from error


def session_options(threads: int) -> Any:
    """Return the onnxruntime.SessionOptions of every network; `threads` 0 takes one per core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # the arena never gives the peak of a run back
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads take no core
    return options


def providers_for(device: str) -> list[str]:
    """Return the execution providers that are installed for `device` ("auto": all), the CPU's always the last."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    providers = [one for one in _DEVICES if one in available and device in ("auto", _DEVICES[one])]
    if "CPUExecutionProvider" not in providers:
        providers.append("CPUExecutionProvider")
    return providers


def device_of(session: Any) -> str:
    """Return the device that an onnxruntime.InferenceSession runs on: "cpu", "cuda" or "mps"."""
    return _DEVICES.get(session.get_providers()[0], "cpu")


def _cores() -> int:
    allowed = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )  # not on macOS
    return len(allowed)


def _fits(shape: list[int | str | None], wanted: tuple[int, ...]) -> bool:
    """Whether a declared shape, where a name or None stands for any number, allows the wanted one."""
    return len(shape) == len(wanted) and all(
        not isinstance(have, int) or have == want for have, want in zip(shape, wanted, strict=True)
    )


def onnxruntime_errors() -> tuple[type[Exception], ...]:
    """Return the runtime's own exceptions, which share no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.NoSuchFile,
        state.EngineError,
        state.RuntimeException,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.InvalidGraph,
        state.EPFail,
        state.ModelRequiresCompilation,
    )
