"""Work of a folder in worker processes: one bad file costs itself alone."""

from collections.abc import Iterator

import psutil
import pytest

from backend.contract.errors import MattemeshError, OutOfMemoryError, OverloadedError, TimedOutError, WorkerLostError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Done
from backend.folders.runner import folder_runner, run_all
from backend.workers.messages import WorkerFaultError
from backend.workers.restarts import RestartPolicy
from tests.helpers.doers import DoerWork


def work(name: str) -> DoerWork:
    return DoerWork("remove-bg", {"file": name.encode()}, MaskOptions(), name=name)


def results(*names: str, jobs: int = 1, deadline_s: float = 60) -> list[Done | MattemeshError]:
    found: dict[int, Done | MattemeshError] = {}
    before = set(psutil.Process().children(recursive=True))
    run_all(folder_runner(Settings(), jobs, deadline_s), map(work, names), found.__setitem__)
    left = set(psutil.Process().children(recursive=True)) - before
    assert not psutil.wait_procs(left, timeout=30)[1]  # they have been killed
    return [found[index] for index in range(len(names))]


def test_a_file_that_crashes_hangs_or_eats_memory_costs_itself_only() -> None:
    names = ["echo", "abort", "echo", "hang", "exhaust", "refuse", "echo"]
    found = results(*names, deadline_s=2)
    kinds = [type(each) for each in found]
    assert kinds[1] is WorkerLostError and kinds[3] is TimedOutError and kinds[4] is OutOfMemoryError
    assert issubclass(kinds[5], MattemeshError)
    assert [each.files[0].data for each in found if isinstance(each, Done)] == [b"echo"] * 3


def test_many_crashes_in_a_row_starve_no_other_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.folders.runner.POLICY", RestartPolicy(first_rest_s=0.02, longest_rest_s=0.05))
    monkeypatch.setattr("backend.folders.runner.MAX_RESTS", 2)
    found = results("leave", "leave", "echo", "leave")
    assert [isinstance(each, Done) for each in found] == [False, False, True, False]


def test_two_workers_share_the_files_of_a_folder() -> None:
    found = results(*["where:0.2"] * 8, jobs=2)
    assert len({each.report["pid"] for each in found if isinstance(each, Done)}) == 2


def test_files_are_read_no_faster_than_they_are_done() -> None:
    taken = 0
    ahead: list[int] = []

    def works() -> Iterator[DoerWork]:
        nonlocal taken
        for _ in range(30):
            taken += 1
            yield work("echo")

    run_all(folder_runner(Settings(), 1, 60), works(), lambda index, result: ahead.append(taken - len(ahead)))
    assert max(ahead) <= 4


def test_a_bug_ends_the_run_with_its_trace() -> None:
    with pytest.raises(WorkerFaultError, match="ZeroDivisionError"):
        results("echo", "fail", "echo")


def test_workers_that_never_start_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("backend.workers.process.spawn", nothing)
    monkeypatch.setattr("backend.folders.runner.POLICY", RestartPolicy(first_rest_s=0.02, longest_rest_s=0.05))
    monkeypatch.setattr("backend.folders.runner.MAX_RESTS", 2)
    with pytest.raises(OverloadedError, match="No worker process stays alive"):
        results("echo")


def test_a_lane_without_workers_does_not_count_for_being_ready() -> None:
    status = folder_runner(Settings(), 2, 60).status()
    assert (status.ready, status.why) == (False, "The worker is loading its engines.")
    assert [row.lane for row in status.workers] == ["mask", "mask"]


def test_nothing_to_do_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.workers.process.spawn", lambda *_: pytest.fail("a process was started"))
    assert results() == []
