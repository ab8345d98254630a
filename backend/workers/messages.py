"""The protocol between the service and a worker process over their socket: a length, then a pickle.

A process that is killed while it sends truncates the message. The reader then meets the end of the stream and never
half a message, because each socket has a single writer.
"""

import io
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from backend.contract.errors import rebuild
from backend.contract.runner import NodeStatus, WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, Lane, OnStage, Work

LENGTH = struct.Struct("!Q")
TAKE_BACK_S = 1.0  # for a process that passes work on to tell other machines, at its end, that nobody wants it any more
# The modules whose classes an answer may contain.
TRUSTED = ("backend.contract.errors", "backend.contract.runner", "backend.contract.work", __name__)


class Handler(Protocol):
    """Does a worker's work, loaded and warm."""

    def perform(self, work: Work, on_stage: OnStage) -> Done:
        """Return the result of `work`. `on_stage` is called as each stage begins and raises where nobody wants the
        work any more; called with "" it only does the latter."""
        ...

    def facts(self) -> "Facts":
        """Return what is loaded; called after each piece of work, and every second where it names `places`."""
        ...


@dataclass(frozen=True)
class Facts:
    """The state of a worker's engines, by model name."""

    loaded: dict[str, str] = field(default_factory=dict)  # name -> device
    broken: dict[str, str] = field(default_factory=dict)  # name -> why it cannot be used
    why: str = ""  # what went wrong at the warm-up; "" when nothing did
    gpu_bytes: int | None = None
    places: int | None = None  # pieces of work at the same time, where that changes: replicas come and go
    rest_s: float | None = None  # seconds until a cluster that does no work is looked at again: no work waits for it
    remote: tuple[WorkerStatus, ...] = ()  # the workers that this one passes its work on to, on other machines
    nodes: tuple[NodeStatus, ...] = ()  # these machines


@dataclass(frozen=True)
class Hello:
    """The first message to a worker: `load` makes its handler. It travels by name, so it is a module's function."""

    load: Callable[[Settings, Lane, bool], Handler]
    settings: Settings
    lane: Lane
    skip_networks: bool  # `auto` uses embedded engines alone: loading the networks has ended this worker before
    concurrency: int  # pieces of work at the same time
    spool: Path  # the folder for large results


@dataclass(frozen=True)
class Parked:
    """In place of a large `File` on its way to the service, which finds it in the worker's spool folder."""

    name: str
    media_type: str


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
class Changed:
    """From a worker: its places, or what else of its facts has changed."""

    facts: Facts


@dataclass(frozen=True)
class StageBegan:
    """From a worker."""

    number: int
    stage: str


@dataclass(frozen=True)
class Finished:
    """From a worker: the result of a piece of work, and the state of its engines."""

    number: int
    done: Done
    facts: Facts


@dataclass(frozen=True)
class Failed:
    """From a worker: the error of a piece of work; None for abandoned work and for a bug (see `trace`)."""

    number: int
    error: Exception | None
    trace: str
    facts: Facts


@dataclass(frozen=True)
class LogLine:
    """From a worker: a line for the service's log."""

    level: int
    text: str


FromWorker = Ready | Changed | StageBegan | Finished | Failed | LogLine


class WorkerFaultError(Exception):
    """A bug in the work; the text is the worker's own trace."""


def pack(message: object) -> bytes:
    """Return `message` as it goes over the socket."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


class _NarrowUnpickler(pickle.Unpickler):
    """Unpickles our own message classes only: a picture that took over a worker must not reach the service, and a stray
    NumPy scalar in an answer must not import NumPy there."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in TRUSTED or "." in name:
            raise pickle.UnpicklingError(f"a worker's answer holds {module}.{name}")
        found = super().find_class(module, name)
        # A trusted module's own imports are not trusted: `dataclass`, for one, executes its arguments as code.
        if found is not rebuild and not (isinstance(found, type) and found.__module__ == module):
            raise pickle.UnpicklingError(f"a worker's answer holds {module}.{name}, which is not one of our classes")
        return found


def unpack_answer(body: bytes) -> FromWorker:
    """Return a worker's message. Raises pickle.UnpicklingError for anything but our own message classes."""
    try:
        message = _NarrowUnpickler(io.BytesIO(body)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # untrusted bytes: pickle can fail on them in any way
        raise pickle.UnpicklingError(f"a worker's answer cannot be read ({type(error).__name__})") from error
    if not isinstance(message, FromWorker):
        raise pickle.UnpicklingError(f"a worker's answer is a {type(message).__name__}")
    return message
