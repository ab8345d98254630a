"""A Ray cluster of two nodes on this machine, in processes of its own, so that the tests' process has no Ray.

python -m tests.helpers.ray_cluster      takes the lines "kill", "add", "kill head" and "new head"; ends with stdin
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
from tests.helpers.real_service import living
from tests.helpers.waiting import until

START_S = 100.0
TRIES = 3  # on a very busy machine Ray's parts give up waiting for each other
STORE_BYTES = 80 * 2**20
AGENT_PORTS = ("metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port", "metrics_export_port")
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


class TwoNodes:
    """The cluster as a test sees it; `environment` is what its drivers need."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._log = Path(environment["RAY_TMPDIR"]) / "cluster.txt"

    def start(self) -> None:
        for last in (*[False] * (TRIES - 1), True):
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.helpers.ray_cluster", str(quiet_port())],
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
            [sys.executable, *command], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=100
        )

    def end(self) -> None:
        """Kill all of it: whatever else Ray has started ends with its node."""
        parts = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
        for part in parts:
            with suppress(psutil.NoSuchProcess):
                part.kill()
        self._process.kill()
        self._process.wait()
        until(lambda: not living(parts))

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
def two_nodes() -> Iterator[TwoNodes]:
    """A cluster of two nodes with two CPUs each, which wants a token and notices soon what is lost."""
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # short: sockets lie in it
    (Path(folder) / "ray").mkdir()
    environment = {
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
        "RAY_raylet_start_wait_time_s": "120",
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "3",
    }
    cluster = TwoNodes(environment)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)


def main(port: int) -> None:
    from ray.cluster_utils import Cluster

    words = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def node() -> dict[str, Any]:
        # Without ports of their own a node ends itself where its agents take more than 15 s to start.
        ports = {name: quiet_port() for name in AGENT_PORTS}
        return {"wait": False, "num_cpus": 2, "object_store_memory": STORE_BYTES, **ports}

    def new_head() -> Cluster:
        cluster = Cluster()
        cluster.add_node(**node(), include_dashboard=False, gcs_server_port=port)
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
