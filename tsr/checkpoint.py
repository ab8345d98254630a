"""Weights on disk: a `.ckpt` or a `.safetensors` goes in, named tensors come out one after another.

A checkpoint is an untrusted pickle: it is never executed, its shapes are checked before any tensor is read, and after
the first load a safetensors copy beside it is read instead. Whether a file is the published one is for the caller to
check: tsr computes no digests.
"""

import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tsr.errors import CheckpointError

log = logging.getLogger(__name__)

Shapes = dict[str, tuple[int, ...]]
SOURCE = "source_sha256"  # in the copy's own metadata: which checkpoint it was made from
WEIGHT_FILES = ("model.safetensors", "model.ckpt")  # in a folder, the first that is there
BYTES_AT_ONCE = 128 << 20  # read from the mapped file before it is reopened, which releases what was read


@dataclass(frozen=True)
class Weights:
    """Named tensors whose shapes are known before they are read."""

    shapes: Shapes
    tensors: Callable[[], Iterator[tuple[str, Tensor]]]


def weights_in_memory(state: Mapping[str, Tensor]) -> Weights:
    """Return the weights of a state dict that is in memory already."""
    return Weights({name: tuple(tensor.shape) for name, tensor in state.items()}, lambda: iter(state.items()))


def weights_file(source: Path) -> Path:
    """Return the file that `source` means: itself, or the one in the folder. Raises CheckpointError without one."""
    if source.is_file():
        return source
    if not source.is_dir():
        raise CheckpointError(f"there is no file {source.name}")
    for name in WEIGHT_FILES:
        if (source / name).is_file():
            return source / name
    raise CheckpointError(f"the folder {source.name} holds neither of {', '.join(WEIGHT_FILES)}")


def read_weights(path: Path, check: Callable[[Shapes], None], digest: str = "") -> Weights:
    """Return the weights of a `.safetensors`, or of any other file as a PyTorch checkpoint.

    `check` is asked about names and shapes before anything is converted or returned, and raises what it likes.
    `digest` names a checkpoint's content: with it a safetensors copy is kept beside the file, and read instead of a
    file of the same digest. Raises CheckpointError when the file is damaged or is something else.
    """
    if path.suffix != ".safetensors":
        return _read_converted(path, digest, check)
    weights = _read_safetensors(path)
    check(weights.shapes)
    return weights


def copy_of(path: Path, digest: str) -> Path | None:
    """Return the safetensors copy that was made of the checkpoint with that digest, or None.

    Raises CheckpointError when a copy is there and damaged.
    """
    copy = path.with_suffix(".safetensors")
    return copy if copy != path and copy.is_file() and _source_of(copy) == digest else None


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.offset_keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError, ValueError) as reason:
        raise CheckpointError(f"{path.name} is not a whole safetensors file") from reason
    return Weights(shapes, lambda: _each_tensor(path, names))


def _each_tensor(path: Path, names: list[str]) -> Iterator[tuple[str, Tensor]]:
    # A mapped file counts as memory once read; opening it afresh now and then keeps that small.
    rest = list(names)
    while rest:
        read = 0
        with safe_open(path, framework="pt") as file:
            while rest and read < BYTES_AT_ONCE:
                name = rest.pop(0)
                tensor = file.get_tensor(name)
                read += tensor.nbytes
                yield name, tensor


def _read_converted(path: Path, digest: str, check: Callable[[Shapes], None]) -> Weights:
    if digest and (copy := copy_of(path, digest)) is not None:
        return read_weights(copy, check)
    weights = weights_in_memory(_load_checkpoint(path))
    check(weights.shapes)
    copy = path.with_suffix(".safetensors")
    if not digest:
        return weights
    if copy.is_file() and _source_of(copy) is None:
        log.warning("%s was not made from %s and is left alone", copy.name, path.name)
        return weights
    try:
        _convert(weights, copy, digest)
    except (SafetensorError, OSError) as reason:
        log.warning("no safetensors copy of %s could be written: %s", path.name, reason)
        return weights
    return read_weights(copy, check)


def _source_of(copy: Path) -> str | None:
    try:
        with safe_open(copy, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as reason:
        raise CheckpointError(f"{copy.name} is damaged; delete it and it is made again") from reason
    return metadata.get(SOURCE)


def _load_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch checkpoint, mapped, not read; nothing in the file is executed."""
    _check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as reason:  # untrusted bytes: the reader raises many kinds of errors
        raise CheckpointError(f"{path.name} is not a checkpoint of plain tensors, and was not executed") from reason
    plain = isinstance(state, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in state.items()
    )
    if not plain:
        raise CheckpointError(f"{path.name} holds something other than named tensors")
    return dict(state)


def _check_archive(path: Path) -> None:
    """Raise CheckpointError unless `path` is a whole archive whose entries have the checksums they were given."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as reason:  # untrusted bytes: zipfile raises many kinds of errors
        raise CheckpointError(f"{path.name} is not a PyTorch checkpoint, or not all of one") from reason
    if broken is not None:
        raise CheckpointError(f"{path.name} is damaged: a checksum inside does not fit")


def _convert(weights: Weights, copy: Path, digest: str) -> None:
    """Write `weights` to `copy`, whole or not at all."""
    fresh = copy.with_name(f"{copy.name}.{os.getpid()}.part")  # two processes may convert at once
    tensors = {name: tensor.contiguous() for name, tensor in weights.tensors()}
    try:
        save_file(tensors, fresh, metadata={SOURCE: digest})
        fresh.replace(copy)
    finally:
        fresh.unlink(missing_ok=True)
    log.info("%s was written; later loads read it", copy.name)
