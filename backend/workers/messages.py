"""What the service and a worker process say to each other over their socket: a length, then a pickle.

A process that is killed in the middle of a message tears it; the reader then meets the end of the stream, never half a
message, because nobody else writes into that socket.
"""

import io
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from backend.contract.errors import rebuild
from backend.contract.settings import Settings
from backend.contract.work import Done, Lane, OnStage, Work

LENGTH = struct.Struct("!Q")
TRUSTED = ("backend.contract.errors", "backend.contract.work", __name__)  # whose names a worker's answer may hold


class Handler(Protocol):
    """Does a worker's work, loaded and warm."""

    def perform(self, work: Work, on_stage: OnStage) -> Done:
        """Return what comes of `work`; `on_stage` hears each stage begin and may raise."""
        ...

    def facts(self) -> "Facts":
        """Tell what is loaded; asked after each piece of work."""
        ...


@dataclass(frozen=True)
class Facts:
    """What a worker knows of its engines, by the models' names."""

    loaded: dict[str, str] = field(default_factory=dict)  # name -> device
    broken: dict[str, str] = field(default_factory=dict)  # name -> why it cannot be used
    why: str = ""  # what went wrong at the warm-up, if anything did
    gpu_bytes: int | None = None


@dataclass(frozen=True)
class Hello:
    """The first message to a worker: `load` makes its handler. It travels by name, so it is a module's function."""

    load: Callable[[Settings, Lane, bool], Handler]
    settings: Settings
    lane: Lane
    skip_networks: bool  # `auto` uses embedded engines alone: loading the networks has ended this worker before
    concurrency: int  # pieces of work at the same time


@dataclass(frozen=True)
class Begin:
    """To a worker: do this."""

    number: int
    work: Work


@dataclass(frozen=True)
class Cancel:
    """To a worker: stop this at its next stage."""

    number: int


@dataclass(frozen=True)
class Ready:
    """From a worker: loaded and warm."""

    facts: Facts


@dataclass(frozen=True)
class StageBegan:
    """From a worker."""

    number: int
    stage: str


@dataclass(frozen=True)
class Finished:
    """From a worker: what came of a piece of work, and what it knows of its engines now."""

    number: int
    done: Done
    facts: Facts


@dataclass(frozen=True)
class Failed:
    """From a worker: the error of a piece of work; None for a bug (told by its trace) and for abandoned work."""

    number: int
    error: Exception | None
    trace: str
    facts: Facts


@dataclass(frozen=True)
class LogLine:
    """From a worker: a line for the service's log."""

    level: int
    text: str


FromWorker = Ready | StageBegan | Finished | Failed | LogLine


class WorkerFaultError(Exception):
    """A bug in the work; the text is the worker's own trace."""


def pack(message: object) -> bytes:
    """Return `message` as it goes over the socket."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


class _NarrowUnpickler(pickle.Unpickler):
    """Reads our own messages and nothing else: a picture that took a worker over must not reach the service, and an
    answer with a stray NumPy number in it must not load NumPy there."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in TRUSTED or "." in name:
            raise pickle.UnpicklingError(f"a worker's answer holds {module}.{name}")
        found = super().find_class(module, name)
        # What a trusted module has imported itself is not ours: `dataclass`, for one, runs what it is given as code.
        if found is not rebuild and not (isinstance(found, type) and found.__module__ == module):
            raise pickle.UnpicklingError(f"a worker's answer holds {module}.{name}, which is no class of ours")
        return found


def unpack_answer(body: bytes) -> FromWorker:
    """Return a worker's message. Raises pickle.UnpicklingError when it is none of ours."""
    try:
        message = _NarrowUnpickler(io.BytesIO(body)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a stranger's bytes: pickle fails on them in every way there is
        raise pickle.UnpicklingError(f"a worker's answer cannot be read ({type(error).__name__})") from error
    if not isinstance(message, FromWorker):
        raise pickle.UnpicklingError(f"a worker's answer is a {type(message).__name__}")
    return message
