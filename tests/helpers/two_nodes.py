"""A Ray cluster of a head without CPUs and two nodes on this machine, whose workers do stand-in work.

Nodes are processes that can be killed. The workers neither decode nor compute: a picture takes `WORK_S` seconds and
becomes `made from` its bytes; one that holds POISON ends its worker, one that holds BOMB the actor before that.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backend.contract.settings import REPOSITORY

LIGHT = {"include_dashboard": False, "include_log_monitor": False, "object_store_memory": 80_000_000}
TOKEN = "a-token-of-these-tests-alone-0123456789"
MARK = "two nodes: "
PATIENCE_S = 120.0
POISON, BOMB, PICTURE = b"poison", b"bomb", b"a picture "
STAND_IN = """
import os, sys
if "backend.workers" in sys.orig_argv:
    import signal, time
    import backend.folders.batch.work as work
    from backend.contract.work import Done, File

    def perform(self, engines, on_stage):
        data = self.files["file"]
        with open(os.environ["BEGUN"], "a") as file:
            file.write(data.decode() + "\\\\n")
        if data.startswith(b"bomb"):
            os.kill(os.getppid(), signal.SIGKILL)
        if data.startswith((b"poison", b"bomb")):
            os.kill(os.getpid(), signal.SIGKILL)
        on_stage("segment")
        time.sleep(float(os.environ["WORK_S"]))
        score = {"grade": "A", "points": 99, "coverage": 0.5, "advice": []}
        files = (File("x.png", "image/png", b"made from " + data), File("t.webp", "image/webp", b"small"))
        return Done(files, (), (), {"mask": score, "upright_size": [1, 1], "seconds": 0.1})

    work.BatchWork.perform = perform
"""


def made_from(data: bytes) -> bytes:
    """Return the result of a picture with the bytes `data`."""
    return b"made from " + data


class TwoNodes:
    """The cluster, and the command that uses it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.begun_log = folder / "begun"
        self._environment = {**os.environ, **environment}
        # In a process of its own: Ray reads once in each whether there is a token.
        command = [sys.executable, "-m", "tests.helpers.two_nodes"]
        self._process = self._popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = self._answer()

    def kill_node(self) -> None:
        """Kill all processes of one of the two nodes (-9)."""
        self._ask("kill")

    def add_node(self) -> None:
        """Start another node."""
        self._ask("add")

    def end(self) -> None:
        self._process.communicate(timeout=PATIENCE_S)

    def _ask(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        """Return the next line that is ours."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                return line.removeprefix(MARK).strip()
        raise AssertionError("the cluster did not come up")

    def _popen(self, command: list[str], **pipes: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(command, cwd=REPOSITORY, env=self._environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    def start(self, source: Path | str, out: Path | str, *options: str) -> "subprocess.Popen[str]":
        """Start `batch` on the cluster."""
        command = [sys.executable, "-m", "backend", "batch", str(source), "-o", str(out), "--cluster", self.address]
        return self._popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def begun(self) -> list[bytes]:
        """Return the pictures that a worker began, each time."""
        return self.begun_log.read_bytes().splitlines() if self.begun_log.exists() else []


@contextmanager
def two_nodes(more: Mapping[str, str], work_s: float = 0.05) -> Iterator[TwoNodes]:
    """Run the cluster until the block ends; `more` goes into its environment. Nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="mm"))  # short: sockets lie in it
    (folder / "ray").mkdir()
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(STAND_IN.replace("\\\\", "\\"))
    environment = {
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(REPOSITORY)]),
        "BEGUN": str(folder / "begun"),
        "WORK_S": str(work_s),
        "CHECKPOINTS_DIR": str(folder / "checkpoints"),
        "DATA_DIR": str(folder / "data"),
        **more,
    }
    try:
        cluster = TwoNodes(folder, environment)
        try:
            yield cluster
        finally:
            cluster.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hold() -> None:
    """Hold the cluster until stdin ends."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**LIGHT, "num_cpus": 0, "no_monitor": True})
    try:
        nodes = [cluster.add_node(**LIGHT, num_cpus=1) for _ in range(2)]
        _say(f"127.0.0.1:{cluster.address.rpartition(':')[2]}")
        for line in sys.stdin:
            if line == "kill\n":
                cluster.remove_node(nodes.pop(), allow_graceful=False)
            else:
                nodes.append(cluster.add_node(**LIGHT, num_cpus=1))
            _say()
    finally:
        cluster.shutdown()


def _say(text: str = "") -> None:
    sys.stdout.write(f"{MARK}{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _hold()
