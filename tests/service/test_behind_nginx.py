"""Two services behind a real nginx: whichever of them is stopped, killed or frozen, every request is answered."""

import http.client
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.contract.work import KINDS
from tests.helpers.clients import Plan, begun
from tests.helpers.front import FRONT
from tests.helpers.loads import STUB, answers, forms
from tests.helpers.nginx import needs_nginx, nginx_before
from tests.helpers.real_service import RealService

pytestmark = [needs_nginx, pytest.mark.timeout(600)]  # services start slowly on a busy machine
CLIENTS = 4
SETTINGS = {"TRUSTED_PROXIES": "127.0.0.1", "STOP_DEADLINE_S": "25"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RealService]]:
    services = [RealService(tmp_path_factory.mktemp(name), SETTINGS, FRONT) for name in ("one", "two")]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(RealService.start, services))
        yield services
    finally:
        for service in services:
            service.end()


def begun_works(service: RealService) -> int:
    """Return how many masks a service has begun since its start."""
    return int(service.lane()["begun"]) if service.process.poll() is None else 0


def load(port: int, each: int) -> begun:
    """Clients that ask for `each` masks, as fast as they get them."""
    return begun(Plan(port, CLIENTS, 300.0, each=each), *forms(8, (96, 72), **STUB))


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_service_that_ends_under_load_costs_no_answer(pair: list[RealService], tmp_path: Path, how: str) -> None:
    one, two = pair
    with nginx_before(tmp_path / "nginx", [one.port, two.port]) as port, load(port, each=100) as clients:
        before = [begun_works(service) for service in pair]
        one.until(lambda: all(begun_works(service) > count + 5 for service, count in zip(pair, before, strict=True)))
        if how == "stopped":
            assert one.terminate() == (0, [])
        else:
            assert one.kill() == []
        seen = clients.seen()
    one.start()
    assert len(seen) == CLIENTS * 100
    assert set(answers(seen)) <= {"200 ok", "503 not-ready"}, answers(seen)  # the latter by one that stops
    assert how == "stopped" or answers(seen) == {"200 ok": CLIENTS * 100}
    assert all(last.status == 200 for last in sorted(seen, key=lambda one: one.at)[-CLIENTS:])


def test_what_a_frozen_service_holds_is_begun_again_at_the_other(pair: list[RealService], tmp_path: Path) -> None:
    one, two = pair
    with nginx_before(tmp_path / "nginx", [one.port, two.port], read_timeout_s=10) as port:
        os.kill(one.pid, signal.SIGSTOP)
        try:
            with load(port, each=1) as clients:
                seen = clients.seen()
        finally:
            os.kill(one.pid, signal.SIGCONT)
    assert answers(seen) == {"200 ok": CLIENTS}


def test_with_no_service_left_the_answer_is_a_problem_that_says_when_to_come_again(tmp_path: Path) -> None:
    with nginx_before(tmp_path / "nginx", [1]) as port:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        line.request("POST", "/remove-bg", b"photo")
        answer = line.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.headers["retry-after"] == "5"
        line.close()


def test_meshes_have_an_upstream_of_their_own() -> None:
    text = (Path(__file__).parents[2] / "deploy" / "nginx.conf").read_text()
    (named,) = re.findall(r"location ~ \^/\(([a-z|-]+)\)\$ \{\s+proxy_pass http://meshes;", text)
    assert set(named.split("|")) == {name for name, kind in KINDS.items() if kind.lane == "mesh"}
