"""Handler for worker processes under test: the work's own name says what becomes of it."""

import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from backend.contract.errors import NoSubjectError
from backend.contract.runner import AbandonedError, NodeStatus, WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, File, Lane, OnStage, Work
from backend.folders.runner import FolderWork
from backend.workers.messages import Facts, Handler, StageBegan, pack


class Doer:
    """Does what `work.name` says: a verb, and its arguments after colons."""

    skip_networks = False

    def perform(self, work: Work, on_stage: OnStage) -> Done:
        verb, *arguments = work.name.split(":")
        on_stage(verb)
        return getattr(self, verb)(work, on_stage, *arguments)

    def facts(self) -> Facts:
        return Facts({"net": "cpu"}, {}, "networks skipped" if self.skip_networks else "", None)

    def echo(self, work: Work, on_stage: OnStage) -> Done:
        on_stage("second")
        modules = sorted({name.split(".")[0] for name in sys.modules})
        return Done((File("a", "image/png", work.files["file"]),), report={"pid": os.getpid(), "modules": modules})

    def named(self, work: Work, on_stage: OnStage, name: str) -> Done:
        """Call the result `name`, which is to be refused where no result is called so."""
        return Done((File(name, "image/png", work.files["file"]),))

    def environment(self, work: Work, on_stage: OnStage, name: str) -> Done:
        return Done((), report={"value": os.environ.get(name)})

    def ask(self, work: Work, on_stage: OnStage) -> Done:
        """Only ask whether anybody wants this."""
        on_stage("")
        return Done(())

    def where(self, work: Work, on_stage: OnStage, seconds: str) -> Done:
        time.sleep(float(seconds))
        return Done((), report={"pid": os.getpid()})

    def noted(self, work: Work, on_stage: OnStage, file: str, seconds: str) -> Done:
        """Leave a byte in `file`, which so tells how often this was begun."""
        with Path(file).open("ab") as begun:
            begun.write(b".")
        return self.where(work, on_stage, seconds)

    def stages(self, work: Work, on_stage: OnStage, seconds: str) -> Done:
        """Go on for so long in short stages."""
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            time.sleep(0.01)
            on_stage("step")
        return Done(())

    def held(self, work: Work, on_stage: OnStage, file: str) -> Done:
        """Go on until `file` exists."""
        while not Path(file).exists():
            time.sleep(0.01)
        return Done((), report={"pid": os.getpid()})

    def first(self, work: Work, on_stage: OnStage, file: str) -> Done:
        """Go on for ten minutes the first time; be done at once when begun again."""
        if not Path(file).exists():
            Path(file).write_text(str(os.getpid()))
            self.stages(work, on_stage, "600")
        return Done(())

    def told(self, work: Work, on_stage: OnStage, file: str) -> Done:
        """Go on until nobody wants it any more, and make `file` then."""
        try:
            return self.stages(work, on_stage, "600")
        except AbandonedError:
            Path(file).touch()
            raise

    def hang(self, work: Work, on_stage: OnStage) -> Done:
        """Stand still in native code that keeps the interpreter to itself."""
        ctypes.PyDLL(None).sleep(600)
        return Done(())

    def abort(self, work: Work, on_stage: OnStage) -> Done:
        os.abort()

    def kill(self, work: Work, on_stage: OnStage) -> Done:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
        return Done(())

    def leave(self, work: Work, on_stage: OnStage) -> Done:
        os._exit(3)

    def babble(self, work: Work, on_stage: OnStage) -> Done:
        """Tell of work that this worker does not have."""
        with socket.socket(fileno=os.dup(int(sys.argv[1]))) as line:
            line.sendall(pack(StageBegan(10**6, "decode")))
        time.sleep(60)
        return Done(())

    def refuse(self, work: Work, on_stage: OnStage) -> Done:
        raise NoSubjectError("Nothing there.", actual=0)

    def fail(self, work: Work, on_stage: OnStage) -> Done:
        return Done((), report={"value": 1 // 0})

    def exhaust(self, work: Work, on_stage: OnStage) -> Done:
        raise MemoryError

    def say(self, work: Work, on_stage: OnStage) -> Done:
        logging.getLogger("mattemesh").warning("a line from the work")
        return Done(())

    def smuggle(self, work: Work, on_stage: OnStage) -> Done:
        """Answer with something that is no message of ours."""
        return Done((), notes=(threading.Lock,))  # type: ignore[arg-type]


class DoerWork(FolderWork):
    """Work of a folder that does what its name says."""

    def perform(self, engines: object, on_stage: OnStage) -> Done:
        return Doer().perform(self, on_stage)


def load(settings: Settings, lane: Lane, skip_networks: bool) -> Handler:
    return Doer()


def load_no_network(settings: Settings, lane: Lane, skip_networks: bool) -> Handler:
    """Die unless the networks are to be skipped."""
    if not skip_networks:
        os.abort()
    doer = Doer()
    doer.skip_networks = True
    return doer


def load_never(settings: Settings, lane: Lane, skip_networks: bool) -> Handler:
    os.abort()


class ToldDoer(Doer):
    """Does what the first line of the file says: over HTTP the name is the request's own."""

    def perform(self, work: Work, on_stage: OnStage) -> Done:
        done = super().perform(replace(work, name=work.files["file"].partition(b"\n")[0].decode()), on_stage)
        return done if done.files else replace(done, files=(File("mask.png", "image/png", str(os.getpid()).encode()),))


def load_told(settings: Settings, lane: Lane, skip_networks: bool) -> Handler:
    return ToldDoer()


class CountedDoer(Doer):
    """Has as many places as the file of its folder says, on machines of a cluster; "away": there is no cluster."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self.file, self.lane = settings.data_dir / "places", lane

    def facts(self) -> Facts:
        told = self.file.read_text()
        if told == "away":
            return Facts(why="No cluster.", places=0, rest_s=5.0)
        places = int(told)
        remote = tuple(WorkerStatus(self.lane, index + 1, "idle", node="10.0.0.2") for index in range(places))
        why = "" if places else "No replica."
        return Facts(why=why, places=places, remote=remote, nodes=(NodeStatus("10.0.0.2", 4, 0),))


def load_counted(settings: Settings, lane: Lane, skip_networks: bool) -> Handler:
    return CountedDoer(settings, lane)


def load_slowly(settings: Settings, lane: Lane, skip_networks: bool) -> Handler:
    time.sleep(0.2)
    return Doer()
