"""One worker process, seen from the service: started, given work, cancelled, killed when it hangs, and replaced.

The process is a plain child with a socket of its own. When it ends, that stream ends: a death is noticed at once, and
no lock, semaphore or shared memory is left behind.
"""

import asyncio
import logging
import pickle
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from backend.contract.errors import WorkerLostError
from backend.contract.runner import WorkerState, WorkerStatus
from backend.contract.settings import Settings
from backend.contract.spool import SpooledFile, WorkerSpool
from backend.contract.work import Done, File, Lane, OnStage, Work, check_result
from backend.workers.messages import (
    LENGTH,
    TAKE_BACK_S,
    Begin,
    Cancel,
    Changed,
    Facts,
    Failed,
    Finished,
    Handler,
    Hello,
    LogLine,
    Parked,
    Ready,
    StageBegan,
    WorkerFaultError,
    pack,
    unpack_answer,
)
from backend.workers.restarts import RestartPolicy, Restarts
from backend.workers.running import BystanderError, Running
from backend.workers.spawn import describe_ending, memory_bytes, spawn

logger = logging.getLogger("mattemesh")
START_DEADLINE_S = 300.0  # for loading and warming up
GAP_S = 10.0  # a restart that takes longer is no short gap any more
MAX_PATIENCE_S = 10.0  # before a worker that ignores a cancel is killed
SKIP_NETWORKS_AFTER = 2  # deaths in a row before it was ready
Load = Callable[[Settings, Lane, bool], Handler]


@dataclass(frozen=True)
class WorkerConfig:
    """The place of a worker in its lane, and what it runs."""

    lane: Lane  # the queue that it serves
    index: int  # number of the worker in its lane, from 0
    concurrency: int  # pieces of work at the same time
    load: Load  # makes the handler inside the process
    drives: bool = False  # a cluster: it keeps Ray's variables, which hold the token
    grace_s: float = 0.8  # from the cancel of late work until the process is killed
    policy: RestartPolicy = field(default_factory=RestartPolicy)  # when it restarts after a crash


class WorkerProcess:
    """Keeps one worker alive. `on_change` is called when a slot becomes free, or the worker goes to rest."""

    def __init__(self, config: WorkerConfig, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.on_change: Callable[[], None] = lambda: None
        self.facts = Facts()
        self._spool = WorkerSpool(settings.data_dir / "spool", f"{config.lane}-{config.index}")
        self._state: WorkerState = "starting"
        self._running: dict[int, Running] = {}
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._life: asyncio.Task[None] | None = None
        self._restarts = Restarts(config.policy)
        self._rests_until = 0.0
        self._down_since = 0.0
        self._killed = False  # whether the service ended the present process
        self._warm = False  # has been ready, and has not rested since
        self._early_deaths = 0
        self._starts = self._crashes = self._kills = 0
        self._start_s: float | None = None

    def start(self) -> None:
        """Start the process and its supervision; needs a running loop whose thread outlives the worker."""
        self._life = asyncio.create_task(self._live(), name=f"{self.config.lane} worker {self.config.index}")

    def close(self) -> None:
        """End the process and start no other."""
        if self._state != "stopped":
            self._state = "stopped"
            if self.config.drives:
                self._let_go()
            self._kill()
            if self._life is not None:
                self._life.cancel()
            self._spool.remove()

    @property
    def places(self) -> int:
        """Pieces of work that it does at the same time."""
        places = self.facts.places
        return self.config.concurrency if places is None else min(places, self.config.concurrency)

    @property
    def free_slots(self) -> int:
        up = self._state in ("idle", "busy") and not self._killed
        return max(self.places - len(self._running), 0) if up else 0

    @property
    def ready(self) -> bool:
        """Whether it is up; the short gap after one crash or a kill does not count."""
        if self._state == "starting" and time.monotonic() - self._down_since > GAP_S:
            return False
        return self._warm and self._state not in ("resting", "stopped") and self.places > 0

    @property
    def rest_s(self) -> float | None:
        """Seconds until it may take work again, after crashing too often or without its cluster; None when it does not
        rest."""
        return max(self._rests_until - time.monotonic(), 0.0) if self._state == "resting" else self.facts.rest_s

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
            None if process is None else memory_bytes(process.pid),
            self.facts.gpu_bytes,
            self.facts.loaded,
            self.facts.broken,
        )

    def begin(self, work: Work, on_stage: OnStage) -> Running:
        """Hand `work` over; only when there is a free slot."""
        number = next(self._numbers)
        running = self._running[number] = Running(on_stage, lambda late: self._cancel(number, late))
        self._state = "busy"
        self._send(Begin(number, work))
        return running

    def _cancel(self, number: int, late: bool) -> None:
        """Ask the work to end at its next stage, and kill the worker when it does not end soon.

        Late work gets `grace_s`. Work of a client that left gets as long as the worker took to start, if that is
        longer: a kill costs the next request that much, so waiting at most doubles the cost of the better choice. The
        slot in the lane is free at once in either case.
        """
        self._send(Cancel(number))
        patience = self.config.grace_s
        if not late:
            patience = max(patience, min(self._start_s or 0.0, MAX_PATIENCE_S))
        asyncio.get_running_loop().call_later(patience, self._kill_if_stuck, number, self._process)

    def _kill_if_stuck(self, number: int, process: object) -> None:
        if number in self._running and process is self._process:
            logger.warning("%s worker %d ignores a cancel; it is replaced", self.config.lane, self.config.index)
            self._kills += 1
            self._kill()

    def _kill(self) -> None:
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def _let_go(self) -> None:
        """Let a process that passes work on take it back."""
        if self._process is not None and self._writer is not None:
            self._writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(TAKE_BACK_S + 1.0)

    def _why(self) -> str:
        if self._state == "resting":
            return f"The worker crashed {self._crashes} times and is paused for {self.rest_s:.0f} s more."
        if self._state == "starting":
            return "The cluster is being reached." if self.config.drives else "The worker is loading its engines."
        return "The worker is stopped." if self._state == "stopped" else self.facts.why

    async def _live(self) -> None:
        while self._state != "stopped":
            self._state, self._killed, began = "starting", False, time.monotonic()
            self._down_since = began
            try:
                await self._one_process(began)
            except Exception:  # a malformed message, or a bug: counts as a crash, and a new worker is started
                logger.exception("%s worker %d failed and is replaced", self.config.lane, self.config.index)
            finally:
                await self._reap()
            rest_s = 0.0 if self._killed else self._crashed()
            if rest_s > 0:
                self._state, self._warm, self._rests_until = "resting", False, time.monotonic() + rest_s
                logger.error("%s; next start in %.0f s", self._why().rstrip("."), rest_s)
            self.on_change()
            await asyncio.sleep(rest_s)

    def _crashed(self) -> float:
        self._crashes += 1
        return self._restarts.crashed(time.monotonic())

    async def _one_process(self, began: float) -> None:
        """Start a process and read its messages until it ends."""
        self._starts += 1
        try:
            self._process, ours = spawn(self.settings.cuda_devices, self.config.index, self.config.drives)
        except OSError as error:  # no memory, no descriptors: counts as a crash
            logger.error("no worker can be started: %s", error.strerror)
            return
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=2**20)
        config = self.config
        skip_networks = self._early_deaths >= SKIP_NETWORKS_AFTER
        # Workers get no keys that they have no use for.
        withheld = dict.fromkeys(("api_key", "jobs_url", "files_url", "rate_limit_url"))
        settings = self.settings.model_copy(update=withheld)
        self._spool.clear()
        self._send(Hello(config.load, settings, config.lane, skip_networks, config.concurrency, self._spool.folder))
        self._early_deaths += 1
        overdue = asyncio.get_running_loop().call_later(START_DEADLINE_S, self._process.kill)
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                message = unpack_answer(await reader.readexactly(length))
                if isinstance(message, Ready):
                    overdue.cancel()
                    self._start_s = time.monotonic() - began
                self._receive(message)
        except (asyncio.IncompleteReadError, ConnectionError):  # it has ended
            pass
        except pickle.UnpicklingError as error:
            logger.error("%s worker %d: %s", config.lane, config.index, error)
        finally:
            overdue.cancel()

    async def _reap(self) -> None:
        """Reap a process that has ended, and fail the work that it had."""
        self.facts = Facts()
        if self._state != "stopped":
            self._state = "starting"  # it takes no work from now on
        process, self._process = self._process, None
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        if process is not None:
            process.kill()  # the stream may have ended first
            await asyncio.to_thread(process.wait)
            if not self._killed:
                ended = describe_ending(process.returncode)
                logger.error("%s worker %d (pid %d) %s", self.config.lane, self.config.index, process.pid, ended)
        lost, self._running = list(self._running.values()), {}
        for running in lost:
            bystander = self._killed and self._state != "stopped"
            running.fail(BystanderError() if bystander else WorkerLostError("The process that did the work ended."))

    def _collected(self, finished: Finished) -> Done:
        """Return the result with its parked files opened and every name checked.

        Raises OSError for a parked file that is not there, ValueError for a name or a media type that no result has.
        """
        files: list[File | SpooledFile] = []
        for index, file in enumerate(finished.done.files):
            check_result(file.name, file.media_type)
            if isinstance(file, Parked):
                files.append(self._spool.take(finished.number, index, file.name, file.media_type))
            else:
                files.append(file)
        return replace(finished.done, files=tuple(files))

    def _send(self, message: Begin | Cancel | Hello) -> None:
        if self._writer is not None:  # else the process has ended, which the reader of the stream reports
            self._writer.write(pack(message))

    def _receive(self, message: Any) -> None:
        if isinstance(message, StageBegan):
            self._running[message.number].hear(message.stage)
        elif isinstance(message, LogLine):
            logger.log(message.level, "%s worker %d: %s", self.config.lane, self.config.index, message.text)
        elif isinstance(message, Ready):
            self.facts, self._state, self._warm, self._early_deaths = message.facts, "idle", True, 0
            logger.info("%s worker %d is ready after %.1f s", self.config.lane, self.config.index, self._start_s)
            self.on_change()
        elif isinstance(message, Changed):
            self.facts = message.facts
            self.on_change()
        elif isinstance(message, Finished | Failed):
            self.facts = message.facts
            done = self._collected(message) if isinstance(message, Finished) else None
            running = self._running.pop(message.number)
            self._state = "busy" if self._running else "idle"
            if done is not None:
                running.succeed(done)
            elif isinstance(message, Failed):
                running.fail(message.error or WorkerFaultError(message.trace))
            self.on_change()
