"""The loads and measurements behind those rows of `load.py` that have figures."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.helpers.clients import Plan, Seen, ask_many, begun, percentile
from tests.helpers.loads import Forms, answers
from tests.helpers.real_service import Held, RealService


def alone(service: RealService, requests: Forms, count: int = 20) -> float:
    """Return the median seconds of a mask when there is one client."""
    seen = ask_many(Plan(service.port, 1, 120, each=count), *requests)
    return percentile([one.seconds for one in seen], 0.5)


@dataclass(frozen=True)
class Crowd:
    """The answers that many clients at once have seen."""

    answers: dict[str, int]
    alone_s: float  # the median of a mask when there is one client
    service_s: float  # the median of what the worker's stages took, in the crowd
    accepted_p99_s: float
    accepted_limit_s: float  # (queue + 1) times the longer of the two
    refused_p99_s: float
    seconds: float

    @property
    def only_served_or_refused(self) -> bool:
        return set(self.answers) <= {"200 ok", "503 overloaded"}


def crowd(service: RealService, requests: Forms, clients: int, each: int, seconds: float) -> Crowd:
    """Have `clients` ask `each` times, with a short pause after a refusal."""
    alone_s = alone(service, requests)
    queue = service.lane()["max_waiting"]
    began = time.monotonic()
    seen = ask_many(Plan(service.port, clients, seconds, each=each, pause_s=alone_s), *requests)
    service_s = percentile([one.worked_s for one in seen if one.status == 200], 0.5)
    return Crowd(
        answers(seen),
        alone_s,
        service_s,
        percentile([one.seconds for one in seen if one.status == 200], 0.99),
        (queue + 1) * max(alone_s, service_s),
        percentile([one.seconds for one in seen if one.status == 503], 0.99),
        time.monotonic() - began,
    )


@dataclass(frozen=True)
class Flood:
    """The service under three times the load that it can serve."""

    answers: dict[str, int]
    capacity: float  # masks a second that three clients in turn get
    accepted: float  # masks a second under the flood
    refused_p99_s: float
    healthz_p99_s: float

    @property
    def kept(self) -> float:
        return self.accepted / self.capacity


def flood(
    service: RealService, requests: Forms, seconds: float, settle_s: float, times: float = 3.0, clients: int = 3
) -> Flood:
    """Measure the capacity by `clients` that ask in turn, then ask at `times` the capacity for `seconds`, of which the
    first `settle_s` do not count; /healthz all the while."""
    measure_s = max(seconds / 4, 2 * settle_s)
    capacity = rate(ask_many(Plan(service.port, clients, measure_s), *requests), settle_s, measure_s)
    looking = Plan(service.port, 1, seconds, pause_s=0.05, method="GET", path="/healthz")
    with begun(looking) as looks:
        seen = ask_many(Plan(service.port, 64, seconds, rate=times * capacity), *requests)
        looked = looks.seen()
    assert {one.status for one in looked} == {200}
    return Flood(
        answers(seen),
        capacity,
        rate(seen, settle_s, seconds),
        percentile([one.seconds for one in seen if one.status == 503], 0.99),
        percentile([one.seconds for one in looked], 0.99),
    )


def rate(seen: Sequence[Seen], start: float, end: float) -> float:
    """Return how many masks a second came between `start` and `end`."""
    done = [one for one in seen if one.status == 200 and start <= one.at + one.seconds < end]
    return len(done) / (end - start)


@dataclass(frozen=True)
class Growth:
    """The memory, files and threads of each process after the first masks, and their maxima afterwards."""

    answers: dict[str, int]
    before: dict[str, Held]
    most: dict[str, Held]

    def grown_bytes(self, name: str) -> int:
        return self.most[name].rss_bytes - self.before[name].rss_bytes

    def allowed_bytes(self, name: str) -> int:
        """5 % of what there was, or 50 MB, whichever is more."""
        return max(self.before[name].rss_bytes // 20, 50_000_000)

    def more_files(self, name: str) -> int:
        return self.most[name].files - self.before[name].files

    def more_threads(self, name: str) -> int:
        return self.most[name].threads - self.before[name].threads


def growth(
    service: RealService, first: Forms, rounds: Sequence[Callable[[], Forms]], repeat: int = 1, clients: int = 2
) -> Growth:
    """Send what `first` has, then each of the `rounds` with `repeat` times its pictures, and look after each."""
    seen: list[Seen] = []

    def send(requests: Forms) -> dict[str, Held]:
        each = math.ceil(len(requests[0]) * repeat / clients)
        seen.extend(ask_many(Plan(service.port, clients, 600, each=each), *requests))
        service.until(service.idle)
        return service.held()

    before = send(first)
    most = before
    for round_ in rounds:
        most = {name: _more(most[name], held) for name, held in send(round_()).items()}
    return Growth(answers(seen), before, most)


def _more(one: Held, other: Held) -> Held:
    return Held(max(one.rss_bytes, other.rss_bytes), max(one.files, other.files), max(one.threads, other.threads))
