"""The handler of a worker process that passes its work on to the replicas of a cluster.

Ray is in that process alone: the process that speaks HTTP knows nothing of it and outlives the cluster's head, whose
loss is the loss of a worker. Work is pure, so a replica that is lost, or silent for 5 s, costs no request: the work is
done again.
"""

import logging
import os
import sys
import threading
import time
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from backend.cluster.connect import connect
from backend.cluster.deploy import deploy, deployed, handle, nodes, replicas
from backend.cluster.replica import AHEAD, REFUSED, Beat
from backend.contract.errors import MattemeshError, NotReadyError, TimedOutError, WorkerLostError
from backend.contract.runner import WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, Lane, OnStage, Work
from backend.workers.messages import Facts, Failed, Finished, WorkerFaultError, unpack_answer

logger = logging.getLogger("mattemesh")
ATTEMPTS = 3
SILENCE_S = 5.0  # a replica that has the work and says nothing for so long is lost
SLOWEST_BYTES_PER_S = 2e6  # of a network between nodes: larger work and answers get more time
POLL_S = 0.25  # how soon a client that has left is noticed
PAUSE_S = 1.0  # before work is sent again that a pausing replica refused
LOOK_S = 2.0  # between two looks at the replicas
RECONNECT_S = 5.0
NOT_DEPLOYED = ("", "DELETING", "DEPLOY_FAILED", "NOT_STARTED")  # states from which no replica comes by itself


class LostError(Exception):
    """The replica that had the work is gone, or silent."""


def load(settings: Settings, lane: Lane, skip_networks: bool) -> "Bridge":
    """Return the handler of a worker that passes work of `lane` on to the cluster of `settings`.

    Deploys the replicas where there are none, and does not wait for them. A cluster that cannot be reached is tried
    until it can.
    """
    return Bridge(settings, lane)


class Bridge:
    """A `Handler`. It has as many places as its replicas, and one more for each, which waits there."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self._settings, self._lane = settings, lane
        self._handle: Any = None
        self._numbers: dict[tuple[str, int | None], int] = {}  # of the replicas in /health, by node and process
        self._rows: list[WorkerStatus] = []
        self._facts = Facts(places=0)
        self._connect()
        threading.Thread(target=self._watch, daemon=True).start()

    def facts(self) -> Facts:
        """Return what the replicas have loaded, and how many pieces of work they take."""
        return self._facts

    def perform(self, work: Work, on_stage: OnStage) -> Done:
        """Return the result of `work`. Raises WorkerLostError when three replicas were lost over it, NotReadyError,
        TimedOutError when none takes it, or what the work raises."""
        for _ in range(ATTEMPTS):
            try:
                return self._once(work, on_stage)
            except LostError as error:
                logger.warning("work is done again: %s", error)
        raise WorkerLostError("The machine that did the work was lost.")

    def _once(self, work: Work, on_stage: OnStage) -> Done:
        """Return the result of `work` by one replica. Raises LostError too."""
        size = sum(map(len, work.files.values()))
        until = time.monotonic() + self._settings.queue_deadline_s
        while time.monotonic() < until:
            call = _Call(self._handle, work)
            try:
                item = call.next(SILENCE_S + size / SLOWEST_BYTES_PER_S, on_stage)
                while not isinstance(item, bytes):
                    stages, coming = item
                    for stage in stages:
                        if stage != "start":  # which the front has heard
                            on_stage(stage)
                    item = call.next(SILENCE_S + coming / SLOWEST_BYTES_PER_S, on_stage)
                if item != REFUSED:
                    return _done(item)
                time.sleep(PAUSE_S)  # the cluster replaces a replica whose worker pauses
            except _UnheardError:  # no replica has taken it, or that one is cut off: ask again
                continue
            finally:
                call.end()
        limit = self._settings.queue_deadline_s
        raise TimedOutError(f"The work waited longer than {limit:g} s to begin.", limit=limit)

    def _connect(self) -> None:
        assert self._settings.cluster is not None
        try:
            connect(self._settings.cluster)
            if deployed(self._lane) in NOT_DEPLOYED:
                deploy(self._settings, [self._lane], wait=False)
            self._handle = handle(self._lane).options(method_name="run", stream=True)
            self._facts = Facts(places=0, why=self._none_is_ready())
        except Exception as error:  # Ray's errors are many, and each means the same here
            why = error.detail if isinstance(error, MattemeshError) else f"{type(error).__name__}: {error}"
            if why != self._facts.why:
                logger.error("the cluster cannot be used: %s", why)
            self._facts = Facts(places=0, why=why, rest_s=RECONNECT_S)
            if "ray" in sys.modules and sys.modules["ray"].is_initialized():
                os._exit(1)  # Ray cannot be left in a state from which it connects anew

    def _watch(self) -> None:
        while True:
            try:
                if self._handle is None:
                    time.sleep(RECONNECT_S)
                    self._connect()
                else:
                    self._look()
                    time.sleep(LOOK_S)
            except Exception as error:  # the head is away; replicas go on without it
                logger.debug("the replicas cannot be looked at: %s", error)
                time.sleep(LOOK_S)

    def _look(self) -> None:
        rows = self._rows = replicas(self._handle, self._rows)
        places = self._settings.batch_size + AHEAD
        self._facts = Facts(
            {name: device for row in rows for name, device in row.loaded.items()},
            {name: why for row in rows for name, why in row.broken.items()},
            next((row.why for row in rows if row.why), "") if rows else self._none_is_ready(),
            places=places * sum(row.state in ("idle", "busy") for row in rows),
            rest_s=None if rows or deployed(self._lane) not in NOT_DEPLOYED else LOOK_S,
            remote=self._numbered(rows),
            nodes=nodes(),
        )

    def _numbered(self, rows: list[WorkerStatus]) -> tuple[WorkerStatus, ...]:
        """Return `rows` with the lowest free numbers from 1, which each keeps while it lives; 0 is this process."""
        keys = {(row.node, row.pid): row for row in rows}
        self._numbers = {key: number for key, number in self._numbers.items() if key in keys}
        for key in keys:
            if key not in self._numbers:
                taken = set(self._numbers.values())
                self._numbers[key] = next(n for n in range(1, len(keys) + 1) if n not in taken)
        found = [replace(row, index=self._numbers[key]) for key, row in keys.items()]
        return tuple(sorted(found, key=lambda row: row.index))

    def _none_is_ready(self) -> str:
        return f"No replica for {'masks' if self._lane == 'mask' else 'meshes'} is ready in the cluster."


class _UnheardError(Exception):
    """No replica has said anything about the work yet."""


class _Call:
    """One piece of work under way at a replica. A thread waits for what Ray brings, so that this one may give up."""

    def __init__(self, handle: Any, work: Work) -> None:
        self._answers = handle.remote(work)
        self._items: SimpleQueue[Beat | bytes | BaseException] = SimpleQueue()
        self._heard = self._over = False
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self, patience_s: float, on_stage: OnStage) -> Beat | bytes:
        """Return the next item. Raises LostError, _UnheardError, NotReadyError, and what `on_stage` raises."""
        end = time.monotonic() + patience_s
        while True:
            try:
                item = self._items.get(timeout=POLL_S)
            except Empty:
                on_stage("")
                if time.monotonic() > end:
                    raise (LostError("a replica is silent") if self._heard else _UnheardError) from None
                continue
            if isinstance(item, BaseException):
                self._over = True
                raise _known(item) from item
            self._heard, self._over = True, isinstance(item, bytes)
            return item

    def end(self) -> None:
        """Have the replica stop at its next stage, unless it has answered."""
        if not self._over:
            threading.Thread(target=self._cancel, daemon=True).start()  # it blocks while no replica has the work

    def _cancel(self) -> None:
        try:
            self._answers.cancel()
        except Exception as error:  # the replica is gone
            logger.debug("work cannot be cancelled: %s", error)

    def _listen(self) -> None:
        try:
            for item in self._answers:
                self._items.put(item)
        except BaseException as error:
            self._items.put(error)


def _known(error: BaseException) -> Exception:
    """Return `error`, which Ray raised, in our words."""
    from ray.exceptions import RayError, RayTaskError
    from ray.serve.exceptions import DeploymentUnavailableError

    if isinstance(error, DeploymentUnavailableError):
        return NotReadyError("No replica of the cluster takes work.")
    if isinstance(error, RayTaskError):
        return WorkerFaultError(str(error))
    if isinstance(error, RayError):
        return LostError(type(error).__name__)
    return WorkerFaultError(repr(error))


def _done(answer: bytes) -> Done:
    """Return the result in a replica's answer, or raise its error."""
    message = unpack_answer(answer)
    if isinstance(message, Finished):
        return message.done
    assert isinstance(message, Failed)
    raise message.error or WorkerFaultError(message.trace)
