"""Weights on disk: a `.ckpt` or a `.safetensors` goes in, named tensors come out one after another.

A checkpoint is a stranger's pickle until proved otherwise: it is never executed, its shapes are judged before any
tensor is read, and after the first load a safetensors copy beside it is read instead.
"""

import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tsr.errors import CheckpointError
from tsr.fingerprint import check_fingerprint, record_of, write_fingerprint

log = logging.getLogger(__name__)

Shapes = dict[str, tuple[int, ...]]
SOURCE = "source_sha256"  # in the copy's own metadata: which checkpoint it was made from
BYTES_AT_ONCE = 128 << 20  # of the mapped file: what has been read is let go after so many


@dataclass(frozen=True)
class Weights:
    """Named tensors whose shapes are known before they are read."""

    shapes: Shapes
    tensors: Callable[[], Iterator[tuple[str, Tensor]]]


def weights_in_memory(state: Mapping[str, Tensor]) -> Weights:
    """Return the weights of a state dict that is in memory already."""
    return Weights({name: tuple(tensor.shape) for name, tensor in state.items()}, lambda: iter(state.items()))


def read_weights(path: Path, check: Callable[[Shapes], None]) -> Weights:
    """Return the weights of a `.safetensors`, or of any other file as a PyTorch checkpoint.

    `check` is asked about names and shapes before anything is converted or returned, and raises what it likes.
    The sha256 is compared with the one written down beside the file, or written down now. Raises CheckpointError
    when the file is damaged, is something else, or is not there.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path.name}")
    if path.suffix != ".safetensors" and _copy_stands_for(path):
        return read_weights(path.with_suffix(".safetensors"), check)
    digest = check_fingerprint(path)
    if path.suffix == ".safetensors":
        weights = _read_safetensors(path)
        check(weights.shapes)
    else:
        weights = _read_converted(path, digest, check)
    write_fingerprint(path, digest)
    return weights


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
    copy = path.with_suffix(".safetensors")
    made_from = _source_of(copy) if copy.is_file() else None
    if made_from == digest:
        return read_weights(copy, check)
    weights = weights_in_memory(_load_checkpoint(path))
    check(weights.shapes)
    if copy.is_file() and made_from is None:
        log.warning("%s was not made from %s and is left alone", copy.name, path.name)
        return weights
    try:
        _convert(weights, copy, digest)
    except (SafetensorError, OSError) as reason:
        log.warning("no safetensors copy of %s could be written: %s", path.name, reason)
        return weights
    return read_weights(copy, check)


def _copy_stands_for(path: Path) -> bool:
    """Whether the converted copy was made from the file whose sha256 is written down, and that file not touched since.

    The copy is then all that is read, and so all that has to be hashed: gigabytes take seconds.
    """
    copy, record = path.with_suffix(".safetensors"), record_of(path)
    if not (copy.is_file() and record.is_file()) or path.stat().st_mtime_ns >= copy.stat().st_mtime_ns:
        return False
    return record.read_text(encoding="ascii", errors="replace").split()[:1] == [_source_of(copy)]


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
    except Exception as reason:  # whatever a stranger's bytes make the reader stumble over
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
    except Exception as reason:  # zipfile stumbles over a stranger's bytes in many ways
        raise CheckpointError(f"{path.name} is not a PyTorch checkpoint, or not all of one") from reason
    if broken is not None:
        raise CheckpointError(f"{path.name} is damaged: a checksum inside does not fit")


def _convert(weights: Weights, copy: Path, digest: str) -> None:
    """Write `weights` to `copy`, whole or not at all."""
    fresh = copy.with_name(f"{copy.name}.part")
    tensors = {name: tensor.contiguous() for name, tensor in weights.tensors()}
    try:
        save_file(tensors, fresh, metadata={SOURCE: digest})
        fresh.replace(copy)
    finally:
        fresh.unlink(missing_ok=True)
    log.info("%s was written; later loads read it", copy.name)
