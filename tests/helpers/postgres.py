"""A real PostgreSQL on this machine, which a test can stop, kill and start again."""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.helpers.waiting import until

MISSING = "PostgreSQL is not installed; Debian's package postgresql has it"


def program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs, which Debian keeps out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


class PostgresServer:
    """PostgreSQL in a folder of its own, on loopback; root starts it as the user `postgres`, as it refuses root."""

    def __init__(self) -> None:
        self._user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self._folder = Path(tempfile.mkdtemp(prefix="mattemesh-pg-"))  # a test's own folders are root's alone
        if os.geteuid() == 0:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"postgresql://{self._user}@127.0.0.1:{self.port}/postgres"
        made = self._run("initdb", "-D", "data", "-A", "trust", "-N", "--encoding=UTF8", "--locale=en_US.UTF-8")
        if made.wait() != 0:  # a machine without that locale
            assert self._run("initdb", "-D", "data", "-A", "trust", "-N", "--encoding=UTF8", "--locale=C").wait() == 0
        self.start()

    def _run(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        path = program(name)
        assert path is not None
        return subprocess.Popen(
            [path, *arguments],
            cwd=self._folder,
            user=self._user if os.geteuid() == 0 else None,
            group=self._user if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.process = self._run("postgres", "-D", "data", "-p", str(self.port), *arguments)
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End it at once; clients lose their connections, and committed rows stay."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return list(cursor.fetchall()) if cursor.description else []

    def clear(self) -> None:
        """Remove all that a service has made."""
        self.ask("DROP SCHEMA IF EXISTS mattemesh CASCADE")

    def end(self) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
