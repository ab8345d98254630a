"""Many clients at once, in a process of their own, so that their work is not taken for the service's.

`ask_many` writes down what each has to send and reads what each has seen; run as a script this file is the clients.
"""

import http.client
import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """The clients' behaviour: each asks again once it has its answer, or all together ask `rate` times a second."""

    port: int
    clients: int
    seconds: float  # at most
    each: int = 0  # requests a client; 0: until the time is over
    rate: float = 0.0  # requests a second of all together, whatever the answers; 0: as fast as answers come
    pause_s: float = 0.0  # after a refusal
    method: str = "POST"
    path: str = "/remove-bg"


@dataclass(frozen=True)
class Seen:
    """One answer: when it was asked for (seconds from the beginning), how long it took, and what it was."""

    at: float
    seconds: float
    status: int  # 0: none came
    code: str
    worked_s: float = 0.0  # duration of the stages, by the answer's header


def ask_many(plan: Plan, bodies: Sequence[bytes] = (), headers: dict[str, str] | None = None) -> list[Seen]:
    """Return what the clients of `plan` have seen; they send `bodies` in turn."""
    with begun(plan, bodies, headers) as clients:
        return clients.seen()


class begun:  # noqa: N801  # reads as a verb: with begun(plan) as clients
    """The clients of a plan while they ask; killed where the block is left early."""

    def __init__(self, plan: Plan, bodies: Sequence[bytes] = (), headers: dict[str, str] | None = None) -> None:
        self._plan, self._bodies, self._headers = plan, bodies, headers or {}

    def __enter__(self) -> "begun":
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        for number, body in enumerate(self._bodies):
            (folder / f"{number:06d}").write_bytes(body)
        self._process = subprocess.Popen(
            [sys.executable, __file__, folder, json.dumps({"plan": asdict(self._plan), "headers": self._headers})],
            stdout=subprocess.PIPE,
        )
        return self

    def seen(self) -> list[Seen]:
        given, _ = self._process.communicate(timeout=self._plan.seconds + 600)
        assert self._process.returncode == 0
        return [Seen(*row) for row in json.loads(given)]

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


class _Client:
    """One connection, kept while the service keeps it."""

    def __init__(self, plan: Plan, bodies: list[bytes], headers: dict[str, str], began: float) -> None:
        self._plan, self._bodies, self._headers, self._began = plan, bodies, headers, began
        self._line: http.client.HTTPConnection | None = None
        self.seen: list[Seen] = []

    def ask(self, number: int, due: float | None = None) -> Seen:
        """Send request `number`; the clock runs from when it was `due`, else from now."""
        start = time.monotonic() if due is None else due
        try:
            status, code, worked_s = self._exchange(number)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            status, code, worked_s = 0, type(error).__name__, 0.0
        seen = Seen(start - self._began, time.monotonic() - start, status, code, worked_s)
        self.seen.append(seen)
        return seen

    def _exchange(self, number: int) -> tuple[int, str, float]:
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self._plan.port, timeout=120)
        body = self._bodies[number % len(self._bodies)] if self._bodies else None
        self._line.request(self._plan.method, self._plan.path, body, self._headers)
        answer = self._line.getresponse()
        data = answer.read()
        if answer.will_close:
            self._hang_up()
        is_problem = answer.headers.get_content_type() == "application/problem+json"
        stages = re.findall(r"dur=([0-9.]+)", answer.headers.get("server-timing", ""))
        return answer.status, str(json.loads(data)["code"]) if is_problem else "ok", sum(map(float, stages)) / 1e3

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _in_turn(client: _Client, plan: Plan, first: int, end: float) -> None:
    number = first
    while time.monotonic() < end and (not plan.each or number - first < plan.each):
        if client.ask(number).status != 200 or plan.method == "GET":
            time.sleep(plan.pause_s)
        number += 1


def _on_time(client: _Client, turns: "queue.Queue[tuple[int, float] | None]") -> None:
    while (turn := turns.get()) is not None:
        client.ask(turn[0], turn[1])


def main() -> None:
    """Do what the arguments say and print what was seen as JSON."""
    given = json.loads(sys.argv[2])
    plan = Plan(**given["plan"])
    bodies = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
    began = time.monotonic()
    clients = [_Client(plan, bodies, given["headers"], began) for _ in range(plan.clients)]
    if plan.rate:
        turns: queue.Queue[tuple[int, float] | None] = queue.Queue()
        threads = [threading.Thread(target=_on_time, args=(client, turns)) for client in clients]
    else:
        threads = [
            threading.Thread(target=_in_turn, args=(client, plan, index * 10_007, began + plan.seconds))
            for index, client in enumerate(clients)
        ]
    for thread in threads:
        thread.start()
    for number in range(int(plan.rate * plan.seconds)):
        due = began + number / plan.rate
        time.sleep(max(due - time.monotonic(), 0))
        turns.put((number, due))
    if plan.rate:
        for _ in threads:
            turns.put(None)
    for thread in threads:
        thread.join()
    rows = [list(astuple(one)) for client in clients for one in client.seen]
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
