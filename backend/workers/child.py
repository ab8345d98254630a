"""The loop of a worker process; `backend.workers.__main__` starts it.

Its main thread only listens, so a cancel arrives while the work runs. The end of the stream means that the service is
gone and ends the process at once.
"""

import faulthandler
import json
import logging
import os
import pickle
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from backend.contract.errors import MattemeshError, OutOfMemoryError, translate_disk_errors
from backend.contract.memory import is_out_of_memory
from backend.contract.runner import AbandonedError
from backend.contract.spool import INLINE_BYTES, spool_path
from backend.contract.work import Done, File
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
    pack,
)

logger = logging.getLogger("mattemesh")
LOOK_S = 1.0  # between two looks at places that may change
NICENESS = 5  # on busy cores the scheduler then prefers the process that answers requests


class WorkLoop:
    """Runs the work that arrives over `connection`, each piece in one of its threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._unwanted: dict[int, threading.Event] = {}
        self._passes_on = False  # to other machines
        self._handler: Handler
        self._spool: Path

    def send(self, message: object) -> None:
        data = pack(message)
        with self._sending:
            self._connection.sendall(data)

    def listen(self) -> None:
        """Serve until the service closes its end."""
        stream = self._connection.makefile("rb")
        hello = _receive(stream)
        assert isinstance(hello, Hello)
        logger.setLevel(hello.settings.log_level)
        self._spool = hello.spool
        threads = ThreadPoolExecutor(hello.concurrency, thread_name_prefix=hello.lane)
        threads.submit(self._load, hello)
        while (message := _receive(stream)) is not None:
            if isinstance(message, Begin):
                self._unwanted[message.number] = threading.Event()
                threads.submit(self._do, message)
            elif isinstance(message, Cancel):
                unwanted = self._unwanted.get(message.number)  # one look-up: the work may end meanwhile
                if unwanted is not None:
                    unwanted.set()
        if self._passes_on:  # else that work would go on there
            for unwanted in list(self._unwanted.values()):
                unwanted.set()
            time.sleep(TAKE_BACK_S)

    def _load(self, hello: Hello) -> None:
        try:
            self._handler = hello.load(hello.settings, hello.lane, hello.skip_networks)
            facts = self._handler.facts()
            self.send(Ready(facts))
            if facts.places is not None:
                self._passes_on = True
                threading.Thread(target=self._watch, args=(facts,), daemon=True).start()
        except BaseException:  # without a handler there is no work: report why and let the service restart the worker
            self.send(LogLine(logging.ERROR, traceback.format_exc()))
            os._exit(1)

    def _watch(self, facts: Facts) -> None:
        while True:
            time.sleep(LOOK_S)
            known, facts = facts, self._handler.facts()
            if facts != known:
                self.send(Changed(facts))

    def _do(self, begin: Begin) -> None:
        unwanted = self._unwanted[begin.number]

        def on_stage(stage: str) -> None:
            if unwanted.is_set():
                raise AbandonedError(stage)
            if stage:
                self.send(StageBegan(begin.number, stage))

        try:
            on_stage("begin") if unwanted.is_set() else None
            done = _park(_plain(self._handler.perform(begin.work, on_stage)), self._spool, begin.number)
            answer: Finished | Failed = Finished(begin.number, done, self._handler.facts())
        except AbandonedError:
            answer = Failed(begin.number, None, "abandoned", self._handler.facts())
        except MattemeshError as error:
            answer = Failed(begin.number, error, "", self._handler.facts())
        except BaseException as error:
            if is_out_of_memory(error):
                known, trace = OutOfMemoryError("The work did not fit into memory."), ""
            else:
                known, trace = None, traceback.format_exc()
            answer = Failed(begin.number, known, trace, self._handler.facts())
        del self._unwanted[begin.number]
        self.send(answer)


class _ToService(logging.Handler):
    """Sends log lines to the service, which owns the log file."""

    def __init__(self, loop: WorkLoop) -> None:
        super().__init__()
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        self._loop.send(LogLine(record.levelno, self.format(record)))


def _receive(stream: BinaryIO) -> object | None:
    """Return the next message from the service, None when it is gone."""
    header = stream.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    body = stream.read(length)
    return pickle.loads(body) if len(body) == length else None  # noqa: S301  # sent by our own parent


def _plain(done: Done) -> Done:
    """Return `done` with a report of plain JSON types: a NumPy scalar would import NumPy into the service."""
    return replace(done, report=json.loads(json.dumps(done.report)))


def _park(done: Done, spool: Path, number: int) -> Done:
    """Return `done` with its large files left in the `spool` folder. Raises StorageFullError and StorageFailedError."""
    files: list[Any] = []
    for index, file in enumerate(done.files):
        if file.size <= INLINE_BYTES:
            files.append(File(file.name, file.media_type, file.data))
            continue
        with translate_disk_errors("The disk is full, so the result cannot be sent."):
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have removed it
            path = spool_path(spool, number, index)
            try:
                with path.open("wb") as parked:
                    parked.writelines(file.pieces())
            except OSError:  # what fits of it must not keep the disk full
                path.unlink(missing_ok=True)
                raise
        file.close()
        files.append(Parked(file.name, file.media_type))
    return replace(done, files=tuple(files))


def serve(descriptor: int) -> None:
    """Serve at the socket of that number until the service closes its end; ends the process."""
    os.nice(NICENESS)
    faulthandler.enable()
    loop = WorkLoop(socket.socket(fileno=descriptor))
    logger.propagate = False
    logger.addHandler(_ToService(loop))
    loop.listen()
    os._exit(0)  # without waiting for the threads
