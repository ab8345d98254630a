"""A Ray cluster of two nodes on this machine, in processes of its own, so that the tests' process has no Ray.

python -m tests.helpers.two_nodes PORT      takes the lines "kill", "add", "kill head" and "new head"; ends with stdin

Replicas of the service do what `tests.helpers.doers` says. The workers of `batch` neither decode nor compute: a picture
takes `WORK_S` seconds and becomes `made from` its bytes; one that begins with HELD first waits while `hold` exists, one
with POISON ends its worker, one with BOMB the actor before that.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from backend.contract.settings import REPOSITORY
from tests.helpers.waiting import until

START_S = 100.0
COMMAND_S = 200.0
TRIES = 3  # on a very busy machine Ray's parts give up waiting for each other
STORE_BYTES = 80 * 2**20
MEMORY_BYTES = 16 * 2**30  # of which Ray keeps account; nothing here needs it
AGENT_PORTS = ("metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port", "metrics_export_port")
POISON, BOMB, HELD, PICTURE = b"poison", b"bomb", b"held ", b"a picture "
# Deploys the doers of tests in place of engines.
DEPLOY = """
from backend.cluster.connect import connect
from backend.cluster.deploy import deploy
from backend.contract.settings import Settings
from tests.helpers.doers import load_told
settings = Settings()
connect(settings.cluster)
deploy(settings, load=load_told)
"""
# Every Python imports it; it changes the workers of `batch`.
STAND_IN = r"""
import os, sys
if "backend.workers" in sys.orig_argv:
    import signal, time
    import backend.folders.batch.work as work
    from backend.contract.work import Done, File

    def perform(self, engines, on_stage):
        data = self.files["file"]
        with open(os.environ["BEGUN"], "a") as file:
            file.write(data.decode() + "\n")
        if data.startswith(b"bomb"):
            os.kill(os.getppid(), signal.SIGKILL)
        if data.startswith((b"poison", b"bomb")):
            os.kill(os.getpid(), signal.SIGKILL)
        on_stage("segment")
        while data.startswith(b"held") and os.path.exists(os.environ["HOLD"]):
            time.sleep(0.01)
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
    """The cluster as a test sees it; `environment` is what its drivers need."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.environment = environment
        self.hold = Path(environment["HOLD"])
        self._folder, self._log = folder, folder / "cluster.txt"

    def start(self) -> None:
        for last in (*[False] * (TRIES - 1), True):
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.helpers.two_nodes", str(quiet_port())],
                    cwd=REPOSITORY,
                    env={**os.environ, **self.environment},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            try:
                self.address = self._heard("ready")
                return
            except AssertionError:
                self.end()
                if last:
                    raise

    def do(self, command: str) -> None:
        """Wait until it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert self._heard("done") == self.address

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program with the cluster's environment and `settings`."""
        environment = {**os.environ, **self.environment, "CLUSTER": self.address, **settings}
        return subprocess.run(
            [sys.executable, *command],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )

    def deploy(self, **settings: str) -> None:
        """Have replicas that do what doers do."""
        deployed = self.run("-c", DEPLOY, **settings)
        assert deployed.returncode == 0, deployed.stderr[-2000:]

    def batch(self, source: Path | str, out: Path | str, *options: str) -> "subprocess.Popen[str]":
        """Start `batch` with one hand for each node."""
        command = ["batch", str(source), "-o", str(out), "--cluster", self.address, "--jobs", "2", *options]
        return subprocess.Popen(
            [sys.executable, "-m", "backend", *command],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def begun(self) -> list[bytes]:
        """Return the pictures that a worker of `batch` began, each time."""
        log = Path(self.environment["BEGUN"])
        return log.read_bytes().splitlines() if log.exists() else []

    def end(self) -> None:
        """Kill the nodes, and wait until all that they started has ended of itself. AssertionError if it does not."""
        for part in psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []:
            with suppress(psutil.NoSuchProcess):
                part.kill()
        self._process.kill()
        self._process.communicate()
        try:
            until(lambda: not self._parts(), why=lambda: str(self._parts()))
        finally:
            for part in self._parts():
                with suppress(psutil.NoSuchProcess):
                    part.kill()

    def _parts(self) -> list[psutil.Process]:
        """Return the living processes that the cluster has started: its folder is in their environment."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOLD") == str(self.hold) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _heard(self, word: str) -> str:
        """Return the address that follows `word`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line.split()[1]
        raise AssertionError(f"the cluster did not start: {self._log.read_text()[-3000:]}")


def quiet_port() -> int:
    """Return a free port below those that the kernel gives to whoever asks for any: nobody takes it meanwhile."""
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


@contextmanager
def two_nodes(work_s: float = 0.05, **more: str) -> Iterator[TwoNodes]:
    """A cluster of two nodes with four CPUs each, which wants a token and notices soon what is lost.

    `more` goes into its environment. Nothing of it stays.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # short: sockets lie in it
    (folder / "ray").mkdir()
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(STAND_IN)
    environment = {
        "RAY_TMPDIR": str(folder),
        "SPT_NOENV": "1",  # Ray names its processes, and leaves their environment in place then
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_worker_niceness": "0",  # else replicas get what other work on the machine leaves
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        "RAY_raylet_start_wait_time_s": "120",
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "3",
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(REPOSITORY)]),
        "BEGUN": str(folder / "begun"),
        "HOLD": str(folder / "hold"),
        "WORK_S": str(work_s),
        "CHECKPOINTS_DIR": str(folder / "checkpoints"),
        "DATA_DIR": str(folder / "data"),
        **more,
    }
    cluster = TwoNodes(folder, environment)
    try:
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(port: int) -> None:
    from ray.cluster_utils import Cluster

    words = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def node() -> dict[str, Any]:
        # Without ports of their own a node ends itself where its agents take more than 15 s to start.
        ports = {name: quiet_port() for name in AGENT_PORTS}
        light = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        sizes = {"num_cpus": 4, "memory": MEMORY_BYTES, "object_store_memory": STORE_BYTES}
        return {"wait": False, **light, **sizes, **ports}

    def new_head() -> Cluster:
        cluster = Cluster()
        cluster.add_node(**node(), gcs_server_port=port)
        return cluster

    def end(cluster: Cluster) -> None:
        for each in filter(None, [*cluster.worker_nodes, cluster.head_node]):
            each.kill_all_processes(check_alive=False, allow_graceful=False)

    def add(cluster: Cluster) -> Any:
        added = cluster.add_node(**node())
        cluster.wait_for_nodes(START_S)
        return added

    cluster = new_head()
    second = add(cluster)
    print("ready", cluster.address, file=words, flush=True)
    for line in sys.stdin:
        if line == "kill\n":
            cluster.remove_node(second, allow_graceful=False)
        elif line == "add\n":
            second = add(cluster)
        elif line == "kill head\n":
            end(cluster)
        elif line == "new head\n":
            cluster = new_head()
        print("done", cluster.address, file=words, flush=True)
    end(cluster)


if __name__ == "__main__":
    main(int(sys.argv[1]))
