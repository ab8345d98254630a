"""The interface to whatever runs work: worker processes (`backend.workers`) of this machine, or before a cluster.

Masks and meshes have separate lanes, so that a mesh never delays a preview; masks by a remote service, which may be
slow, have a third. A lane queues a bounded number; work that is abandoned or past its deadline stops at its next stage
or is killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backend.contract.work import Done, Lane, OnStage, Work

WorkerState = Literal["starting", "idle", "busy", "resting", "stopped"]  # resting: backing off after crashes


@dataclass(frozen=True)
class WorkerStatus:
    """A snapshot of one worker; counts since the service started."""

    lane: Lane
    index: int
    state: WorkerState
    why: str = ""  # why it takes no work, or what went wrong at its warm-up; "" when all is well
    pid: int | None = None
    starts: int = 0
    crashes: int = 0  # ends that the service did not cause
    kills: int = 0  # by the service, at a deadline or for abandoned work
    start_s: float | None = None  # how long its last start took, warm-up included
    memory_bytes: int | None = None
    gpu_bytes: int | None = None
    loaded: Mapping[str, str] = field(default_factory=dict)  # networks in use -> device
    broken: Mapping[str, str] = field(default_factory=dict)  # networks that cannot be used -> why
    node: str = ""  # the name of its node, where it is one of a cluster's


@dataclass(frozen=True)
class NodeStatus:
    """A machine of the cluster that the runner works on."""

    name: str  # its address, and the first letters of Ray's id: one machine may be several nodes
    cpus: float  # that it offers to replicas
    gpus: float


@dataclass(frozen=True)
class LaneStatus:
    """A snapshot of one lane; counts since the service started."""

    lane: Lane
    waiting: int
    running: int
    capacity: int  # pieces of work it can run at once; it may change while the service runs
    max_waiting: int
    begun: int = 0  # pieces of work handed to a worker
    refused: int = 0  # because the lane was full or its workers rest
    waited_s: float = 0.0  # total queueing time of the begun ones
    oldest_wait_s: float = 0.0  # of the work that waits now


@dataclass(frozen=True)
class RunnerStatus:
    """A snapshot of the runner, for `/health`, `/readyz` and `/metrics`."""

    ready: bool  # the engines of every lane are loaded and warm, and work is taken
    why: str  # why it is not ready, or ""
    lanes: tuple[LaneStatus, ...]
    workers: tuple[WorkerStatus, ...]
    nodes: tuple[NodeStatus, ...] = ()  # the living machines of a cluster; none where the workers are this machine's


class AbandonedError(Exception):
    """The client has left; raised inside the work to end it, and not reported."""


def ignore_stage(stage: str) -> None:
    """Do nothing: the `on_stage` of callers that show no progress."""


class Runner(Protocol):
    """Runs a piece of work and gives its result back."""

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        """Return the result of `work`. Raises OverloadedError, TimedOutError, WorkerLostError, or what the work raises.

        `on_stage` is called in the event loop with the name of each stage as it begins, first of all "start".
        Cancelling the awaiting task abandons the work.
        """
        ...

    def admit(self, lane: Lane, client: str) -> None:
        """Raise OverloadedError where `run` would refuse work of `client` at once, so that it need not be uploaded."""
        ...

    def start(self) -> None:
        """Begin to take work; called once, in the event loop."""
        ...

    def status(self) -> RunnerStatus:
        """Return what waits, what runs and how the workers are."""
        ...

    def close(self) -> None:
        """Accept no more work and end what runs."""
        ...


class RunnerWrapper:
    """Base of a runner that forwards everything to `runner`; subclasses override `run`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def admit(self, lane: Lane, client: str) -> None:
        self._runner.admit(lane, client)

    def start(self) -> None:
        self._runner.start()

    def status(self) -> RunnerStatus:
        return self._runner.status()

    def close(self) -> None:
        self._runner.close()
