"""Lack of memory is recognised for what it is, whichever library ran into it; the real errors are provoked."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from backend.contract.memory import is_out_of_memory

HUGE = 1 << 50  # bytes and more: beyond any address space, so that no kernel grants it


def fill_onnx(arena: bool, shape: tuple[int, int] = (1 << 24, 1 << 24), node: str = "fill") -> None:
    """Run a network of one layer called `node`, whose answer has `shape`."""
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["filled"]),
            helper.make_node("Reshape", ["filled", "shape"], ["answer"], name=node),
        ],
        "fill",
        [helper.make_tensor_value_info("shape", TensorProto.INT64, [2])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena, options.log_severity_level = arena, 4
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    session.run(None, {"shape": np.array(shape, np.int64)})


def break_onnx() -> None:
    """Run a network whose layer `alloc_1` fails, and not for want of memory."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["given", "shape"], ["answer"], name="alloc_1")],
        "broken",
        [
            helper.make_tensor_value_info("given", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("shape", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(network)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    session.run(None, {"given": np.zeros(3, np.float32), "shape": np.array([5], np.int64)})


def error_of(work: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # whatever the library raises
        work()
    return caught.value


@pytest.mark.parametrize(
    "work",
    [
        lambda: np.zeros(HUGE),
        lambda: torch.empty(HUGE),
        lambda: cv2.resize(np.zeros((9, 9, 3), np.float32), (1 << 23, 1 << 23)),
        lambda: fill_onnx(arena=False),
        lambda: fill_onnx(arena=True),
    ],
    ids=["numpy", "torch", "cv2", "onnxruntime", "onnxruntime with its arena"],
)
def test_what_a_library_raises_without_memory_is_recognised(work: Callable[[], object]) -> None:
    error = error_of(work)
    assert is_out_of_memory(error), repr(error)


@pytest.mark.parametrize(
    "work",
    [
        lambda: np.zeros(-1),
        lambda: torch.zeros(2) @ torch.zeros(3),
        lambda: cv2.resize(np.zeros((0, 9, 3), np.float32), (4, 4)),
        break_onnx,
        lambda: Path("allocator/that/is/not/there").read_bytes(),
    ],
    ids=["numpy", "torch", "cv2", "onnxruntime", "a missing file"],
)
def test_other_errors_are_not_taken_for_it(work: Callable[[], object]) -> None:
    error = error_of(work)
    assert not is_out_of_memory(error), repr(error)


def test_a_gpus_lack_of_memory_is_recognised_by_type_code_or_status() -> None:
    lost = torch.AcceleratorError("CUDA error: out of memory")
    lost.error_code = 2
    assert is_out_of_memory(lost)
    lost.error_code = 700  # an illegal address
    assert not is_out_of_memory(lost)
    assert is_out_of_memory(torch.OutOfMemoryError("no room"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert not is_out_of_memory(RuntimeError("the allocation of classes is unknown"))
