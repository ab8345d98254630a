"""The learned refiner: a small network of our own that ships with the project (training/ makes its weights)."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.engines.network_errors import network_errors
from backend.engines.onnx_segmenter import onnxruntime_errors, open_session

WEIGHTS = Path(__file__).with_name("refiner.onnx")


class Refiner:
    """(N, 4, H, W) float32, RGB and a coarse alpha in [0, 1], to a finer alpha (N, H, W) float32 in [0, 1].

    H and W are multiples of 16. Threads may share it.
    """

    def __init__(self, path: Path = WEIGHTS, threads: int = 0, device: str = "auto") -> None:
        """Open the weights. Raises ModelUnavailableError when they cannot be run, OutOfMemoryError."""
        self._session = open_session("refiner", path, threads, device)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises ModelUnavailableError when the network fails, OutOfMemoryError when it does not fit into memory."""
        with network_errors("refiner", onnxruntime_errors()):
            (answer,) = self._session.run(None, {self._input: inputs})
        alpha: NDArray[np.float32] = np.clip(answer[:, 0], 0, 1)
        return alpha


@cache
def open_refiner(threads: int = 0, device: str = "auto") -> Refiner:
    """Return the refiner that ships with the project, opened once and shared."""
    return Refiner(threads=threads, device=device)
