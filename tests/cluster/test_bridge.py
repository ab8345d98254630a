"""The handler before a cluster, with replicas that a test makes up: what it does with silence, losses and refusals."""

import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from backend.cluster import bridge as module
from backend.cluster.bridge import Bridge
from backend.cluster.deploy import common, replicas
from backend.cluster.replica import REFUSED, Beat
from backend.contract.errors import NoSubjectError, NotReadyError, TimedOutError, WorkerLostError
from backend.contract.options import MaskOptions
from backend.contract.runner import AbandonedError, WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, File, Work
from backend.workers.messages import LENGTH, Facts, Failed, Finished, pack

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed; requirements-cluster.txt has it")
WORK = Work("remove-bg", {"file": b"photo"}, MaskOptions())
DONE = Done((File("mask.png", "image/png", b"mask"),))
Item = Beat | bytes | BaseException | float  # a float: seconds of silence


class Answers:
    def __init__(self, items: list[Item]) -> None:
        self._items = items
        self.cancelled = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            if isinstance(item, float):
                self.cancelled.wait(item)
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    def cancel(self) -> None:
        self.cancelled.set()


class Handle:
    """Answers the first piece of work by the first script, and so on."""

    def __init__(self, *scripts: list[Item]) -> None:
        self._scripts = list(scripts)
        self.calls: list[Answers] = []

    def remote(self, work: Work) -> Answers:
        self.calls.append(Answers(self._scripts.pop(0)))
        return self.calls[-1]


def answer(message: Finished | Failed) -> bytes:
    return pack(message)[LENGTH.size :]


FINISHED = answer(Finished(0, DONE, Facts()))


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Bridge:
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    monkeypatch.setattr(module, "POLL_S", 0.02)
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    monkeypatch.setattr(Bridge, "_connect", lambda self: None)
    monkeypatch.setattr(Bridge, "_watch", lambda self: None)
    return Bridge(Settings(queue_deadline_s=1.0, cluster="auto"), "mask")


def perform(bridge: Bridge, *scripts: list[Item]) -> tuple[Done, list[str], Handle]:
    handle = bridge._handle = Handle(*scripts)
    heard: list[str] = []
    return bridge.perform(WORK, heard.append), [stage for stage in heard if stage], handle


def test_stages_and_the_result_come_through(bridge: Bridge) -> None:
    done, heard, handle = perform(bridge, [(("start", "decode"), 0), ((), 0), (("encode",), 0), FINISHED])
    assert done == DONE and heard == ["decode", "encode"]  # the start is the front's own
    assert not handle.calls[0].cancelled.is_set()


def test_an_error_of_the_work_is_its_own(bridge: Bridge) -> None:
    with pytest.raises(NoSubjectError):
        perform(bridge, [answer(Failed(0, NoSubjectError("Nothing there."), "", Facts()))])


def test_silence_means_again_and_the_silent_one_is_cancelled(bridge: Bridge) -> None:
    done, _, handle = perform(bridge, [((), 0), 60.0], [((), 0), FINISHED])
    assert done == DONE and len(handle.calls) == 2
    assert handle.calls[0].cancelled.wait(60)


def test_three_silences_are_a_loss(bridge: Bridge) -> None:
    with pytest.raises(WorkerLostError):
        perform(bridge, *[[((), 0), 60.0] for _ in range(3)])


def test_a_large_answer_on_its_way_is_no_silence(bridge: Bridge) -> None:
    done, _, handle = perform(bridge, [((), 10 * 10**6), 1.0, FINISHED])
    assert done == DONE and len(handle.calls) == 1


def test_work_that_no_replica_takes_is_late_and_none_is_lost_over_it(bridge: Bridge) -> None:
    with pytest.raises(TimedOutError, match="to begin"):
        perform(bridge, *[[60.0] for _ in range(9)])


def test_a_replica_whose_worker_pauses_is_asked_again(bridge: Bridge) -> None:
    done, _, handle = perform(bridge, [REFUSED], [REFUSED], [REFUSED], [REFUSED], [FINISHED])
    assert done == DONE and len(handle.calls) == 5


def test_a_client_that_leaves_ends_the_work(bridge: Bridge) -> None:
    handle = bridge._handle = Handle([((), 0), 60.0])
    end = time.monotonic() + 0.1

    def left(stage: str) -> None:
        if time.monotonic() > end:
            raise AbandonedError(stage)

    with pytest.raises(AbandonedError):
        bridge.perform(WORK, left)
    assert handle.calls[0].cancelled.wait(60)


@needs_ray
def test_what_ray_loses_is_done_again_three_times(bridge: Bridge) -> None:
    from ray.exceptions import ActorDiedError, ActorUnavailableError, ObjectLostError

    lost: list[BaseException] = [ActorUnavailableError("gone", None), ObjectLostError("f" * 56, None, "")]
    done, _, handle = perform(bridge, *[[((), 0), error] for error in lost], [FINISHED])
    assert done == DONE and len(handle.calls) == 3
    with pytest.raises(WorkerLostError):
        perform(bridge, *[[ActorDiedError()] for _ in range(3)])


def test_no_work_waits_for_a_cluster_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_there(address: str) -> None:
        raise NotReadyError("No Ray cluster answers.")

    monkeypatch.setattr(module, "connect", none_there)
    monkeypatch.setattr(Bridge, "_watch", lambda self: None)
    facts = Bridge(Settings(cluster="auto"), "mask").facts()
    assert (facts.places, facts.why) == (0, "No Ray cluster answers.") and facts.rest_s


@pytest.mark.parametrize(("state", "waits"), [("", False), ("DELETING", False), ("DEPLOYING", True), ("RUNNING", True)])
def test_work_waits_for_replicas_that_are_on_their_way(
    bridge: Bridge, state: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "replicas", lambda handle, known: [])
    monkeypatch.setattr(module, "nodes", tuple)
    monkeypatch.setattr(module, "deployed", lambda lane: state)
    bridge._look()
    facts = bridge.facts()
    assert facts.places == 0 and (facts.rest_s is None) == waits


def test_replicas_keep_their_numbers_and_give_them_back(bridge: Bridge) -> None:
    rows = [WorkerStatus("mask", 0, "idle", pid=pid, node="one") for pid in (7, 8, 9)]
    assert [(row.pid, row.index) for row in bridge._numbered(rows)] == [(7, 1), (8, 2), (9, 3)]
    rows = [rows[2], rows[0], WorkerStatus("mask", 0, "idle", pid=5, node="two")]
    assert [(row.pid, row.index) for row in bridge._numbered(rows)] == [(7, 1), (5, 2), (9, 3)]


class Broadcast:
    def __init__(self, *answers: object) -> None:
        self.answers = answers

    def broadcast(self, method: str) -> "Broadcast":
        return self

    def results(self, **_: object) -> list[object]:
        return list(self.answers)


def test_a_replica_too_busy_to_say_how_it_is_stays_known_and_a_dead_one_does_not() -> None:
    one, two = (WorkerStatus("mask", 0, "busy", pid=pid, node="one") for pid in (7, 8))
    assert replicas(Broadcast(one, TimeoutError()), [one, two]) == [one, two]
    assert replicas(Broadcast(one, RuntimeError()), [one, two]) == [one]


def test_no_folder_and_no_secret_travels_to_the_cluster() -> None:
    settings = Settings(
        api_key="one", cache_secret="correct horse battery", removebg_api_key="key", jobs_url="postgresql://a/b",
        files_url="/srv/jobs", cluster="auto", cuda_devices="0,1", mask_deadline_s=7,
    )  # type: ignore[arg-type]  # fmt: skip
    sent = common(settings)
    assert not {"api_key", "cache_secret", "removebg_api_key", "jobs_url", "files_url", "cluster"} & set(sent)
    assert not {"data_dir", "checkpoints_dir", "logs_dir", "cuda_devices"} & set(sent)
    assert Settings(**sent).mask_deadline_s == 7
