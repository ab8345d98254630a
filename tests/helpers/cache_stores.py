"""Stores for tests: one in memory that can fail, and a real Redis."""

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from backend.cache.stores import StoreError

SECRET = b"sealed" * 8  # of the caches under test


@dataclass
class MemoryStore:
    """A dictionary; with `broken` every use fails, as with a disk or a server."""

    name: str = "memory"
    max_entry_bytes: int = 1_000_000
    broken: bool = False
    uses: int = 0
    tidied: int = 0
    entries: dict[str, bytes] = field(default_factory=dict)

    def get(self, key: str) -> bytes | None:
        self._use()
        return self.entries.get(key)

    def put(self, key: str, data: bytes) -> None:
        self._use()
        self.entries[key] = data

    def tidy(self) -> None:
        self._use()
        self.tidied += 1

    def _use(self) -> None:
        self.uses += 1
        if self.broken:
            raise StoreError("the store cannot be used")


class RedisServer:
    """A redis-server that the test can kill and start again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(["redis-server", *options], cwd=self._folder, stdout=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
