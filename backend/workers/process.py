"""One worker process, seen from the service: started, given work, told to stop, killed where it does not, replaced.

The process is a plain child with a socket of its own. Its end is the end of that stream, so a death is noticed at
once and no lock, semaphore or shared memory can be left behind.
"""

import asyncio
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psutil

from backend.contract.errors import WorkerLostError
from backend.contract.runner import WorkerState, WorkerStatus
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.work import Lane, OnStage, Work
from backend.workers.messages import (
    LENGTH,
    Begin,
    Cancel,
    Facts,
    Failed,
    Finished,
    Handler,
    Hello,
    LogLine,
    Ready,
    StageBegan,
    WorkerFaultError,
    pack,
    unpack_answer,
)
from backend.workers.restarts import RestartPolicy, Restarts
from backend.workers.running import BystanderError, Running

logger = logging.getLogger("mattemesh")
START_DEADLINE_S = 300.0  # loading and warming up
LONGEST_PATIENCE_S = 10.0
SKIP_NETWORKS_AFTER = 2  # deaths in a row before it was ready
Load = Callable[[Settings, Lane, bool], Handler]


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is for."""

    lane: Lane
    index: int
    concurrency: int  # pieces of work at the same time
    load: Load
    grace_s: float = 0.8  # so long may a stage go on after its work is cancelled, before the process is killed
    policy: RestartPolicy = field(default_factory=RestartPolicy)


class WorkerProcess:
    """Keeps one worker alive. `on_change` is called when a place becomes free, or the worker goes to rest."""

    def __init__(self, config: WorkerConfig, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.on_change: Callable[[], None] = lambda: None
        self.facts = Facts()
        self._state: WorkerState = "starting"
        self._running: dict[int, Running] = {}
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._life: asyncio.Task[None] | None = None
        self._restarts = Restarts(config.policy)
        self._rests_until = 0.0
        self._killed = False  # by us, this time
        self._warm = False  # has been ready, and has not gone to rest since
        self._early_deaths = 0
        self._starts = self._crashes = self._kills = 0
        self._start_s: float | None = None

    def start(self) -> None:
        """Begin to live; needs a running loop, whose thread has to stay for as long as the worker."""
        self._life = asyncio.create_task(self._live(), name=f"{self.config.lane} worker {self.config.index}")

    def close(self) -> None:
        """End the process and do not start another."""
        if self._state != "stopped":
            self._state = "stopped"
            self._kill()
            if self._life is not None:
                self._life.cancel()

    @property
    def free_slots(self) -> int:
        return (
            self.config.concurrency - len(self._running) if self._state in ("idle", "busy") and not self._killed else 0
        )

    @property
    def ready(self) -> bool:
        """Whether it is up, or will be in a moment: the short gap after one crash or a kill does not count."""
        return self._warm and self._state not in ("resting", "stopped")

    @property
    def rest_s(self) -> float | None:
        """How long it takes no work for, after crashing too often; None when it does not rest."""
        return max(self._rests_until - time.monotonic(), 0.0) if self._state == "resting" else None

    def status(self) -> WorkerStatus:
        process = self._process
        return WorkerStatus(
            self.config.lane,
            self.config.index,
            self._state,
            self._why(),
            None if process is None else process.pid,
            self._starts,
            self._crashes,
            self._kills,
            self._start_s,
            None if process is None else _memory(process.pid),
            self.facts.gpu_bytes,
            self.facts.loaded,
            self.facts.broken,
        )

    def begin(self, work: Work, on_stage: OnStage) -> Running:
        """Hand `work` over; only when there is a free place."""
        number = next(self._numbers)
        running = self._running[number] = Running(on_stage, lambda late: self._cancel(number, late))
        self._state = "busy"
        self._send(Begin(number, work))
        return running

    def _cancel(self, number: int, late: bool) -> None:
        """Ask for an end at the next stage, and kill the worker when that does not come soon.

        Soon is `grace_s` for work past its deadline. Where somebody has left it is as long as the worker took to
        start, if that is longer: a kill costs the next one that much, so nobody waits more than twice as long as with
        the better choice. The place in the lane is free at once in either case.
        """
        self._send(Cancel(number))
        patience = self.config.grace_s
        if not late:
            patience = max(patience, min(self._start_s or 0.0, LONGEST_PATIENCE_S))
        asyncio.get_running_loop().call_later(patience, self._kill_if_stuck, number, self._process)

    def _kill_if_stuck(self, number: int, process: object) -> None:
        if number in self._running and process is self._process:
            logger.warning("%s worker %d does not stop; it is replaced", self.config.lane, self.config.index)
            self._kills += 1
            self._kill()

    def _kill(self) -> None:
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def _why(self) -> str:
        if self._state == "resting":
            return f"The worker crashed {self._crashes} times and rests for {self.rest_s:.0f} s more."
        if self._state == "starting":
            return "The worker loads its engines."
        return "The worker is stopped." if self._state == "stopped" else self.facts.why

    async def _live(self) -> None:
        while self._state != "stopped":
            self._state, self._killed, began = "starting", False, time.monotonic()
            try:
                await self._one_process(began)
            except Exception:  # a message without sense, or a bug: as bad as a crash, and no end to having a worker
                logger.exception("%s worker %d cannot be kept", self.config.lane, self.config.index)
            finally:
                await self._reap()
            rest_s = 0.0 if self._killed else self._crashed()
            if rest_s > 0:
                self._state, self._warm, self._rests_until = "resting", False, time.monotonic() + rest_s
                logger.error("%s; it rests for %.0f s", self._why(), rest_s)
            self.on_change()
            await asyncio.sleep(rest_s)

    def _crashed(self) -> float:
        self._crashes += 1
        return self._restarts.crashed(time.monotonic())

    async def _one_process(self, began: float) -> None:
        """Start a process and hear it out until it ends."""
        self._starts += 1
        try:
            self._process, ours = _spawn(self._environment())
        except OSError as error:  # no memory, no descriptors: counts as a crash
            logger.error("no worker can be started: %s", error.strerror)
            return
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=2**20)
        config = self.config
        skip_networks = self._early_deaths >= SKIP_NETWORKS_AFTER
        settings = self.settings.model_copy(update={"api_key": None})  # no affair of a worker's
        self._send(Hello(config.load, settings, config.lane, skip_networks, config.concurrency))
        self._early_deaths += 1
        overdue = asyncio.get_running_loop().call_later(START_DEADLINE_S, self._process.kill)
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                message = unpack_answer(await reader.readexactly(length))
                if isinstance(message, Ready):
                    overdue.cancel()
                    self._start_s = time.monotonic() - began
                self._hear(message)
        except (asyncio.IncompleteReadError, ConnectionError):  # it has ended
            pass
        except pickle.UnpicklingError as error:
            logger.error("%s worker %d: %s", config.lane, config.index, error)
        finally:
            overdue.cancel()

    def _environment(self) -> dict[str, str]:
        """Return the worker's environment: our modules, one device where there are several, and no key of ours."""
        environment = {name: value for name, value in os.environ.items() if name.upper() != "API_KEY"}
        path = [*filter(None, sys.path)]  # "" is the working directory, which this process found us in
        own = [] if str(REPOSITORY) in path else [str(REPOSITORY)]
        environment["PYTHONPATH"] = os.pathsep.join([*own, *path])
        environment.setdefault(
            "OMP_WAIT_POLICY", "passive"
        )  # threads that wait by spinning hurt where a core is shared
        environment.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
        devices = self.settings.cuda_devices
        if devices:
            environment["CUDA_VISIBLE_DEVICES"] = devices[self.config.index % len(devices)]
        return environment

    async def _reap(self) -> None:
        """Let go of a process that has ended, and tell whoever waits for it."""
        self.facts = Facts()
        if self._state != "stopped":
            self._state = "starting"  # from this moment on it takes no work
        process, self._process = self._process, None
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        if process is not None:
            process.kill()  # the stream may have ended first
            await asyncio.to_thread(process.wait)
            if not self._killed:
                ended = _ending(process.returncode)
                logger.error("%s worker %d (pid %d) %s", self.config.lane, self.config.index, process.pid, ended)
        lost, self._running = list(self._running.values()), {}
        for running in lost:
            bystander = self._killed and self._state != "stopped"
            running.fail(BystanderError() if bystander else WorkerLostError("The process that did the work ended."))

    def _send(self, message: Begin | Cancel | Hello) -> None:
        if self._writer is not None:  # else it has ended, which is told where the stream is read
            self._writer.write(pack(message))

    def _hear(self, message: Any) -> None:
        if isinstance(message, StageBegan):
            self._running[message.number].hear(message.stage)
        elif isinstance(message, LogLine):
            logger.log(message.level, "%s worker %d: %s", self.config.lane, self.config.index, message.text)
        elif isinstance(message, Ready):
            self.facts, self._state, self._warm, self._early_deaths = message.facts, "idle", True, 0
            logger.info("%s worker %d is ready after %.1f s", self.config.lane, self.config.index, self._start_s)
            self.on_change()
        elif isinstance(message, Finished | Failed):
            self.facts = message.facts
            running = self._running.pop(message.number)
            self._state = "busy" if self._running else "idle"
            if isinstance(message, Finished):
                running.succeed(message.done)
            else:
                running.fail(message.error or WorkerFaultError(message.trace))
            self.on_change()


def _spawn(environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker and return it with our end of its socket. Raises OSError where that cannot be.

    What it prints goes to our stderr. -P: no module of the folder that the service happens to be started in stands
    before the real ones.
    """
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    command = [sys.executable, "-P", "-m", "backend.workers.child", str(fd), str(os.getpid())]
    try:
        process = subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.DEVNULL, stdout=2, env=environment)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    return f"was ended by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"was ended by {-code}"


def _memory(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
