"""The way into a Ray cluster: without reports to its maker, and not where anyone may come in.

Who reaches a Ray port without a token runs code on every node, and Ray listens on all addresses of a machine. So a
cluster has to want a token, unless it is named by an address that only this machine has, as 127.0.0.1:6379.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

from backend.contract.errors import InvalidParameterError, NotReadyError

REACH_S = 5.0  # in which a head has to answer; Ray itself would try for minutes
PROBE_S = 60.0
PROBE = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; main()"
TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def connect(address: str) -> str:
    """Make this process a driver of the cluster at `address`, "auto" or HOST:PORT; return its HOST:PORT.

    Raises InvalidParameterError for a wrong address, without Ray and for a cluster that lets anyone in, NotReadyError
    when no cluster is there or it does not let this process in.
    """
    if find_spec("ray") is None:
        raise InvalidParameterError(
            "Ray is not installed: pip install -c constraints.txt -r requirements-cluster.txt", parameter="cluster"
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before Ray is imported
    if _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # else Ray looks for a token only at the address "auto"
    import ray
    from ray._private.services import GcsClient
    from ray.exceptions import AuthenticationError, RpcError

    found = _find(address)
    host, port = _host_and_port(found)
    try:
        socket.create_connection((host, port), timeout=REACH_S).close()
    except OSError as error:
        raise NotReadyError(f"No Ray cluster answers at {found}: {error.strerror or error}.") from error
    if not _is_loopback(host) and _lets_anyone_in(found):
        raise InvalidParameterError(
            f"The cluster at {found} has no token: anyone who reaches it may run code there. On the head run `ray "
            "get-auth-token --generate`, copy ~/.ray/auth_token to every machine and start Ray again.",
            parameter="cluster",
        )
    try:
        GcsClient(address=found)  # ray.init would show a wrong token 20 times, for 20 s
    except AuthenticationError as error:
        raise NotReadyError(
            f"The cluster at {found} wants another token: give this process the head's, in ~/.ray/auth_token or "
            "RAY_AUTH_TOKEN."
        ) from error
    except RpcError as error:
        raise NotReadyError(f"No Ray cluster answers at {found}, though something listens there.") from error
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=found, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise NotReadyError(
            f"The cluster at {found} does not let this process in: it may have another Ray or Python. "
            f"{str(error).partition('.')[0][:200]}."
        ) from error
    if threading.current_thread() is threading.main_thread() and on_sigterm is not None:
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's would end the process in the middle of its tidying up
    return found


def _has_token() -> bool:
    try:
        at_home = (Path.home() / ".ray" / "auth_token").is_file()
    except RuntimeError:  # no home
        at_home = False
    return at_home or any(os.environ.get(name) for name in TOKEN_VARIABLES)


def _find(address: str) -> str:
    """Return `address`, or for "auto" that of the cluster that this machine is part of or that RAY_ADDRESS names."""
    if address != "auto":
        return address
    from ray._private.services import canonicalize_bootstrap_address

    try:
        return str(canonicalize_bootstrap_address("auto"))
    except ConnectionError as error:
        raise NotReadyError(
            "This machine is part of no Ray cluster. Start one with `ray start --head`, or name its HOST:PORT."
        ) from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidParameterError(f'{address} is not "auto" or HOST:PORT of a Ray head.', parameter="cluster")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _lets_anyone_in(address: str) -> bool:
    """Whether the cluster answers a process that shows no token."""
    environment = {name: value for name, value in os.environ.items() if name not in TOKEN_VARIABLES}
    environment["RAY_AUTH_MODE"] = "disabled"
    command = [sys.executable, "-c", PROBE, "health-check", "--address", address]
    return subprocess.run(command, env=environment, capture_output=True, timeout=PROBE_S).returncode == 0
