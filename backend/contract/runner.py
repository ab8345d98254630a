"""Where work runs, behind one small interface: worker processes of this machine (`backend.workers`), later a cluster.

Masks and meshes have separate lanes, so that a mesh never holds up a preview. A lane lets a bounded number wait; work
that is no longer wanted, or has passed its deadline, stops at its next stage or is killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backend.contract.work import Done, Lane, OnStage, Work

WorkerState = Literal["starting", "idle", "busy", "resting", "stopped"]  # resting: backing off after crashes


@dataclass(frozen=True)
class WorkerStatus:
    """One worker as it stands; the counts run from the start of the service."""

    lane: Lane
    index: int
    state: WorkerState
    why: str = ""  # why it takes no work, or what its warm-up met; "" when all is well
    pid: int | None = None
    starts: int = 0
    crashes: int = 0  # ended by itself
    kills: int = 0  # ended by us, at a deadline or because nobody waited any more
    start_s: float | None = None  # how long its last start took, warm-up included
    memory_bytes: int | None = None
    gpu_bytes: int | None = None
    loaded: Mapping[str, str] = field(default_factory=dict)  # networks in use -> device
    broken: Mapping[str, str] = field(default_factory=dict)  # networks that cannot be used -> why


@dataclass(frozen=True)
class LaneStatus:
    """One lane as it stands; the counts run from the start of the service."""

    lane: Lane
    waiting: int
    running: int
    capacity: int  # pieces of work it can run at once; it may change while the service runs
    max_waiting: int
    begun: int = 0  # pieces of work handed to a worker
    refused: int = 0  # turned away because the lane was full or its workers rest
    waited_s: float = 0.0  # what the begun ones have waited, summed
    oldest_wait_s: float = 0.0  # of those that wait now


@dataclass(frozen=True)
class RunnerStatus:
    """What `/health`, `/readyz` and `/metrics` tell of where work runs."""

    ready: bool  # the engines of every lane are loaded and warm, and work is taken
    why: str  # why it is not ready, or ""
    lanes: tuple[LaneStatus, ...]
    workers: tuple[WorkerStatus, ...]


class AbandonedError(Exception):
    """Nobody waits for the result any more; raised inside the work, told to no one."""


def unheard(stage: str) -> None:
    """Nobody listens."""


class Runner(Protocol):
    """Runs a piece of work and gives its result back."""

    async def run(self, work: Work, on_stage: OnStage = unheard) -> Done:
        """Return what comes of `work`. Raises OverloadedError, TimedOutError, WorkerLostError, or what the work raises.

        `on_stage` is called in the event loop with the name of each stage as it begins, first of all "start".
        Cancelling the awaiting task abandons the work.
        """
        ...

    def admit(self, lane: Lane) -> None:
        """Raise OverloadedError where `run` would at once, so that nobody sends a photo to be turned away."""
        ...

    def start(self) -> None:
        """Begin to take work; called once, in the event loop."""
        ...

    def status(self) -> RunnerStatus:
        """Tell what waits, what runs and how the workers are."""
        ...

    def close(self) -> None:
        """Take no more work and end what runs."""
        ...


class RunnerAround:
    """The base of what stands around `runner` and does something of its own in `run`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def admit(self, lane: Lane) -> None:
        self._runner.admit(lane)

    def start(self) -> None:
        self._runner.start()

    def status(self) -> RunnerStatus:
        return self._runner.status()

    def close(self) -> None:
        self._runner.close()
