"""Machines of a Ray cluster in one: each has an address, a process tree and a temporary folder of its own.

So it can be switched off whole, and have its cable cut. All ends with the program, however that ends.

    sys.exit(alone(["python", "program.py"]))     # in there `Machines` may be made; needs root

The program's own address is 10.77.0.1; the service is there too, with a node of Ray without cores.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from backend.contract.settings import REPOSITORY
from tests.helpers.real_service import RealService
from tests.helpers.two_nodes import DEPLOY

OWN, HEAD = "10.77.0.1", "10.77.0.2"
PORT = 6379
TREE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
NETWORK = "--net"
# The first process of a machine reaps what loses its parent.
INIT = "echo on; while :; do sleep 1; done"
RAY = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; main()"
COMMAND_S = 200.0


def alone(command: Sequence[str]) -> int:
    """Return the exit status of `command`, run with a network and a process tree of its own, which end with this
    process at the latest."""
    return subprocess.run(["setpriv", "--pdeathsig", "KILL", *TREE, NETWORK, *command]).returncode


class Machine:
    """A machine at `address`, with a cable unless that is the program's own; its temporary files lie in `folder`."""

    def __init__(self, address: str, folder: Path, environment: dict[str, str], start: Sequence[str]) -> None:
        (folder / "tmp").mkdir(parents=True)
        self.address, self.folder, self._start = address, folder, start
        own = {
            "RAY_TMPDIR": "",
            "TMPDIR": "tmp",
            "DATA_DIR": "data",
            "CHECKPOINTS_DIR": "checkpoints",
            "LOGS_DIR": "logs",
        }
        self.environment = {**environment, **{name: str(folder / path) for name, path in own.items()}}
        self._cable = "" if address == OWN else f"cable{address.rpartition('.')[2]}"

    def on(self) -> None:
        """Switch it on (again), with Ray."""
        network = [NETWORK] if self._cable else []
        self._process = subprocess.Popen([*TREE, *network, "sh", "-c", INIT], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None and self._process.stdout.readline() == "on\n"
        if self._cable:
            ip("link", "add", self._cable, "type", "veth", "peer", "eth0", "netns", str(self._process.pid))
            ip("link", "set", self._cable, "master", "switch", "up")
            inside = ["nsenter", "--net", f"--target={self._process.pid}"]
            ip("link", "set", "lo", "up", inside=inside)
            ip("addr", "add", f"{self.address}/24", "dev", "eth0", inside=inside)
            ip("link", "set", "eth0", "up", inside=inside)
        self.start_ray()

    def start_ray(self) -> None:
        self.run("-c", RAY, "start", f"--node-ip-address={self.address}", *self._start)

    def off(self) -> None:
        """Switch it off: nothing in it ends in good order."""
        self._process.kill()
        self._process.wait()

    def cable(self, whole: bool) -> None:
        """Cut its cable, or mend it."""
        ip("link", "set", self._cable, "up" if whole else "down")

    @property
    def inside(self) -> list[str]:
        """The start of a command that runs there."""
        first = psutil.Process(self._process.pid).children()[0].pid
        return ["nsenter", "--net", "--pid", "--mount", f"--target={first}"]

    def run(self, *command: str, **settings: str) -> str:
        """Run a Python program there; return what it prints. AssertionError where it fails."""
        ended = subprocess.run(
            [*self.inside, sys.executable, *command],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        assert ended.returncode == 0, ended.stdout[-1000:] + ended.stderr[-2000:]
        return ended.stdout

    def processes(self) -> list[psutil.Process]:
        """Return what runs there but its first process and that one's `sleep`."""
        first = psutil.Process(self._process.pid).children()[0].pid
        here = Path(f"/proc/{first}/ns/pid").readlink()
        found = []
        for part in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                theirs = Path(f"/proc/{part.pid}/ns/pid").readlink()
                if theirs == here and part.pid != first and part.name() != "sleep" and part.status() != "zombie":
                    found.append(part)
        return found


class Machines:
    """A head without cores, the service's machine without cores, and two nodes of four cores.

    `start` are further options of the head's `ray start`, `of_head` its own environment; `more` is everybody's.
    """

    def __init__(self, folder: Path, start: Sequence[str] = (), of_head: Mapping[str, str] = {}, **more: str) -> None:
        environment = {
            "CLUSTER": f"{HEAD}:{PORT}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_raylet_start_wait_time_s": "120",
            # As docs/cluster.md has them.
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "1000",
            "RAY_health_check_failure_threshold": "5",
            "PYTHONPATH": str(REPOSITORY),
            **more,
        }
        ip("link", "set", "lo", "up")
        ip("link", "add", "switch", "type", "bridge")
        ip("addr", "add", f"{OWN}/24", "dev", "switch")
        ip("link", "set", "switch", "up")
        store = "--object-store-memory=200000000"
        join = [f"--address={HEAD}:{PORT}", store]
        first = ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false", store, *start]
        self.head = Machine(HEAD, folder / "head", {**environment, **of_head}, first)
        self.own = Machine(OWN, folder / "own", environment, [*join, "--num-cpus=0"])
        self.nodes = [Machine(f"10.77.0.{n}", folder / f"n{n}", environment, [*join, "--num-cpus=4"]) for n in (3, 4)]

    def on(self) -> None:
        """Switch all on."""
        for machine in (self.head, self.own, *self.nodes):
            machine.on()

    def deploy(self, **settings: str) -> None:
        """Have replicas that do what doers do."""
        self.own.run("-c", DEPLOY, **settings)

    def service(self, folder: Path, **settings: str) -> RealService:
        """Return the service on its machine."""
        program = [*self.own.inside, sys.executable, "-m", "backend"]
        return RealService(folder, {**self.own.environment, **settings}, program)


def ip(*command: str, inside: Sequence[str] = ()) -> None:
    subprocess.run([*inside, "ip", *command], check=True)
