"""SIGTERM or Ctrl-C ends the service with status 0 and no process left, whatever it is doing; queued jobs wait for the
next start. `benchmarks/load.py` measures how long that takes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from tests.helpers.incidents import STOPPED_WHILE, Busy, busy
from tests.helpers.real_service import RealService
from tests.helpers.wire import problem_of


def stop(service: RealService, under_way: Busy, number: signal.Signals = signal.SIGTERM) -> None:
    """End the service, and assert that it ends in good order and answers those whose work it does not finish."""
    assert service.terminate(number, lambda: check_answers(under_way)) == (0, [])
    assert "Traceback" not in service.output()


def check_answers(under_way: Busy) -> None:
    assert {problem_of(answer)["status"] for answer in under_way.answers()} <= {503}


def waiting_jobs_are_kept(service: RealService, jobs: list[str]) -> None:
    """Assert that the next service knows the jobs, and runs the second one once the first is cancelled."""
    service.start()
    assert service.job(jobs[0])["state"] in ("queued", "running")
    assert service.ask("DELETE", f"/jobs/{jobs[0]}").status == 204
    assert service.ended(jobs[1])["state"] == "succeeded"
    assert service.left_over() == []


def test_whatever_is_under_way_the_service_ends_and_keeps_its_jobs(own_service: Callable[..., RealService]) -> None:
    service = own_service(STOP_DEADLINE_S="1", UPLOAD_PATIENCE_S="2", MAX_WAITING="2", MASK_DEADLINE_S="600")
    under_way = busy(service, "all")
    stop(service, under_way)
    waiting_jobs_are_kept(service, under_way.jobs)


def test_ctrl_c_in_mid_upload_ends_the_service_and_its_log_is_json(own_service: Callable[..., RealService]) -> None:
    service = own_service(UPLOAD_PATIENCE_S="1", LOG_FORMAT="json")
    assert service.ask("POST", "/remove-bg", b"odd!", {"Content-Type": "multipart/form-data; boundary=a"}).status == 422
    stop(service, busy(service, "half-sent upload"), signal.SIGINT)
    lines = service.output().splitlines()
    assert lines and all(json.loads(line)["level"] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("case", STOPPED_WHILE)
def test_each_case_ends_in_good_order(own_service: Callable[..., RealService], case: str) -> None:
    service = own_service(MASK_DEADLINE_S="600", DRAIN_S="1")
    under_way = busy(service, case)
    assert service.terminate() == (0, [])  # clients that never read their answer hold nothing up
    check_answers(under_way)
    if under_way.jobs:
        waiting_jobs_are_kept(service, under_way.jobs)


@pytest.mark.slow
def test_ctrl_c_while_libraries_load_ends_the_process_whenever_it_comes(tmp_path: Path) -> None:
    for tenths in range(1, 36, 2):
        command = [sys.executable, "-m", "backend", "serve", "--no-fetch", "--port", "0"]
        settings = {"PATH": "", "DRAIN_S": "0", "LOGS_DIR": str(tmp_path), "DATA_DIR": str(tmp_path)}
        with subprocess.Popen(command, cwd=REPOSITORY, env=settings, stderr=subprocess.DEVNULL) as server:
            time.sleep(tenths / 10)
            server.send_signal(signal.SIGINT)
            assert server.wait(60) in (0, -signal.SIGINT), f"{tenths / 10} s after the start"
