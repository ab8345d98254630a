"""Stores to test against: one in memory that can be broken, and a real Redis."""

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from backend.cache.stores import StoreError


@dataclass
class MemoryStore:
    """A dictionary; with `broken` it fails, as a disk or a server does."""

    name: str = "memory"
    largest_bytes: int = 1_000_000
    broken: bool = False
    asked: int = 0
    entries: dict[str, bytes] = field(default_factory=dict)

    def get(self, key: str) -> bytes | None:
        self._ask()
        return self.entries.get(key)

    def put(self, key: str, data: bytes) -> None:
        self._ask()
        self.entries[key] = data

    def _ask(self) -> None:
        self.asked += 1
        if self.broken:
            raise StoreError("the store cannot be used")


class RedisServer:
    """A redis-server of the test's own, which can be ended and started again."""

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
