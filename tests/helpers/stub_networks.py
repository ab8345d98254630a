"""A checkpoints folder with ONNX segmenters that cost nothing, never come to an end, or are not what they should be."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.tiny_onnx import write_network

SIDE = 32
ENTRY = """
[{name}]
file = "{name}.onnx"
input_size = {side}
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
activation = "none"
"""
DAMAGE = ("missing", "truncated", "flipped", "html")


def stub_networks(checkpoints: Path) -> None:
    """Write `stub`, whose saliency is how red a pixel is; `stuck`, one native call that does not end; and one segmenter
    for each name of DAMAGE, whose file was damaged after its digest was written down."""
    write_network(checkpoints / "stub.onnx", size=(SIDE, SIDE), weights=(3.0, -3.0, -3.0), bias=-2.0, outputs=1)
    write_stuck(checkpoints / "stuck.onnx")
    entries = [ENTRY.format(name=name, side=SIDE) for name in ("stub", "stuck")]
    good = (checkpoints / "stub.onnx").read_bytes()
    digest = hashlib.sha256(good).hexdigest()
    for name in DAMAGE:
        entries.append(ENTRY.format(name=name, side=SIDE) + f'sha256 = "{digest}"\n')
        if name != "missing":
            (checkpoints / f"{name}.onnx").write_bytes(damaged(good, name))
    (checkpoints / "models.toml").write_text("".join(entries))


def damaged(good: bytes, how: str) -> bytes:
    """Return what lies there in place of `good`."""
    if how == "truncated":
        return good[: len(good) // 2]
    if how == "flipped":  # in a weight: such a file is as good a network as before, with another answer
        at = good.index(np.float32(3.0).tobytes()) + 3
        return good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    return b"<!DOCTYPE html><html><body>Sign in to download this file</body></html>"


def write_stuck(path: Path, rounds: int = 2**40) -> None:
    """Write a network that multiplies matrices for `rounds` rounds inside one call."""
    matrix = helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [64, 64])
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
            helper.make_node("Tanh", ["product"], ["next"]),
            helper.make_node("Identity", ["go_on"], ["still"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            matrix,
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [64, 64]),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array(rounds, np.int64), "rounds"),
        numpy_helper.from_array(np.array(True), "true"),
        numpy_helper.from_array(np.eye(64, dtype=np.float32), "eye"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("ReduceMean", ["input"], ["level"], keepdims=0),  # else it could be computed beforehand
        helper.make_node("Mul", ["eye", "level"], ["first"]),
        helper.make_node("Loop", ["rounds", "true", "first"], ["last"], body=body),
        helper.make_node("ReduceMean", ["last"], ["end"], keepdims=0),
        helper.make_node("Add", ["mean", "end"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stuck",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        constants,
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(network)
    onnx.save(network, str(path))
