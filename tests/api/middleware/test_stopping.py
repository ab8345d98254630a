"""SIGTERM and Ctrl-C: readiness turns first, new work is refused, and running work ends or is refused.

`tests/service/test_stopping_service.py` does the same to processes.
"""

import signal
from pathlib import Path

from tests.helpers.waiting import until
from tests.helpers.wire import PART, heard, problem_of, served, status_of, upload


def test_readiness_turns_first_while_the_service_still_listens_and_ends_what_it_has_begun(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        service.server.drain_s = 600  # more than the settings allow: it does not end while the test looks
        assert status_of(service.get("/readyz")) == 200
        service.runner.held = True
        with service.connect() as begun:
            begun.sendall(b"".join(upload(1000)))
            until(lambda: service.runner.running == 1)
            service.server.handle_exit(signal.SIGTERM, None)
            assert problem_of(service.get("/readyz"))["code"] == "not-ready"
            assert status_of(service.get("/healthz")) == 200
            refused = service.say(*upload(1000))
            assert problem_of(refused)["code"] == "not-ready"
            assert b"connection: close" in refused
            assert b"retry-after" in refused
            assert service.server.started
            service.runner.held, service.server.drain_s = False, 0
            assert status_of(heard(begun)) == 200


def test_readyz_gives_the_reason_for_not_being_ready(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        service.runner.why = "The mask worker warms up."
        problem = problem_of(service.get("/readyz"))
        assert (problem["status"], problem["code"], problem["detail"]) == (503, "not-ready", service.runner.why)
        assert status_of(service.get("/healthz")) == 200


def test_unfinished_work_gets_a_503_at_the_deadline(tmp_path: Path) -> None:
    with served(tmp_path, stop_deadline_s=1) as service:
        service.runner.held = True
        with service.connect() as begun, service.connect() as half:
            begun.sendall(b"".join(upload(1000)))
            half.sendall(upload(1000)[0] + PART)
            until(lambda: service.app.state.uploads.requests == 2 and service.runner.running == 1)
            service.server.handle_exit(signal.SIGTERM, None)
            assert problem_of(heard(begun))["code"] == "not-ready"
            assert problem_of(heard(half))["code"] == "not-ready"
        until(lambda: service.runner.running == 0)


def test_a_second_signal_waits_for_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        service.server.drain_s = 600  # no connection of a test listens for so long
        service.runner.held = True
        with service.connect() as begun:
            begun.sendall(b"".join(upload(1000)))
            until(lambda: service.runner.running == 1)
            service.server.handle_exit(signal.SIGINT, None)
            service.server.handle_exit(signal.SIGINT, None)
            heard(begun)
            until(lambda: service.runner.running == 0)
