"""The result cache: the same work returns the same bytes at once, and a failing store changes no answer."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from backend.cache import cache as cache_module
from backend.cache import results
from backend.cache.cache import Cache, open_cache
from backend.cache.results import CachingRunner, find_result, keep_result
from backend.cache.stages import open_stages
from backend.contract.errors import OverloadedError
from backend.contract.options import MaskOptions
from backend.contract.runner import RunnerStatus, ignore_stage
from backend.contract.settings import Settings
from backend.contract.spool import INLINE_BYTES, SpooledFile
from backend.contract.work import CacheUse, Done, File, OnStage, Stage, Work
from backend.engines.registry import Engines
from backend.main import create_app
from backend.weights.catalogue import CATALOGUE, DEFAULT_SEGMENTER
from backend.workers.perform import perform
from tests.helpers.cache_stores import SECRET, MemoryStore, RedisServer
from tests.helpers.drawn import encoded, toy
from tests.helpers.in_process import InProcessRunner

DONE = Done(
    (File("mask.png", "image/png", b"\x89PNG" + bytes(range(256))), File("report.json", "application/json", b"{}")),
    (Stage("decode", 0.25, "cpu"),),
    ("a note – with a dash",),
    {"image": {"width": 3}, "models": [{"id": "border"}]},
)


class FakeRunner:
    """Does every piece of work by giving `done`, or raises it."""

    def __init__(self, done: Done | Exception = DONE) -> None:
        self.done, self.runs, self.before = done, 0, lambda: None

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        self.runs += 1
        self.before()
        if isinstance(self.done, Exception):
            raise self.done
        return self.done

    def start(self) -> None: ...

    def admit(self, lane: str, client: str) -> None:
        pass

    def status(self) -> RunnerStatus:
        return RunnerStatus(True, "", (), ())

    def close(self) -> None: ...


def work(content: bytes = b"photo", cache: CacheUse = "use") -> Work:
    return Work("remove-bg", {"file": content}, MaskOptions(), cache=cache)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(checkpoints_dir=tmp_path / "checkpoints", data_dir=tmp_path, cache_bytes=100_000_000)


Ask = Callable[..., Done]


def asking(runner: FakeRunner, store: MemoryStore, settings: Settings) -> tuple[Ask, Cache]:
    """Return a way to run one piece of work through the cache over `runner`, and that cache."""
    cache = Cache(store, lambda: SECRET)
    caching = CachingRunner(runner, cache, settings)
    return lambda *args, **kwargs: asyncio.run(caching.run(work(*args, **kwargs))), cache


def test_results_of_remote_services_are_not_kept(store: MemoryStore, settings: Settings) -> None:
    """Their report has to say each time that the picture left this machine; the stage cache keeps their answers."""
    runner = FakeRunner()
    caching = CachingRunner(runner, Cache(store, lambda: SECRET), settings)
    outside = replace(work(), options=MaskOptions(model="removebg"))
    assert [asyncio.run(caching.run(outside)).cache for _ in range(2)] == ["miss", "miss"]
    assert runner.runs == 2


def test_the_same_work_is_done_once(store: MemoryStore, settings: Settings) -> None:
    runner = FakeRunner()
    ask, cache = asking(runner, store, settings)
    first, again = ask(), ask()
    assert (first.cache, again.cache, runner.runs) == ("miss", "hit", 1)
    assert again.files == first.files == DONE.files
    assert (again.notes, again.report) == (DONE.notes, DONE.report)
    assert [stage.name for stage in again.stages] == ["cache"]  # the stages of this answer, not of that one
    assert ask(b"another").cache == "miss"
    assert cache.counts == {("result", "miss"): 2, ("result", "hit"): 1}


def test_a_hit_reports_the_start_stage(store: MemoryStore, settings: Settings) -> None:
    async def scene() -> list[str]:
        stages: list[str] = []
        caching = CachingRunner(FakeRunner(), Cache(store, lambda: SECRET), settings)
        await caching.run(work())
        await caching.run(work(), stages.append)
        return stages

    assert asyncio.run(scene()) == ["start"]


def test_what_fails_is_not_kept(store: MemoryStore, settings: Settings) -> None:
    runner = FakeRunner(OverloadedError("full"))
    ask, _ = asking(runner, store, settings)
    for _ in range(2):
        with pytest.raises(OverloadedError):
            ask()
    assert (runner.runs, store.entries) == (2, {})


def test_a_client_can_bypass_or_renew_the_cache(store: MemoryStore, settings: Settings) -> None:
    runner = FakeRunner()
    ask, _ = asking(runner, store, settings)
    assert ask(cache="avoid").cache == "miss"
    assert store.entries == {}
    ask()
    runner.done = replace(DONE, notes=("newer",))
    assert ask(cache="avoid").notes == ("newer",)
    assert ask().notes == DONE.notes
    assert (ask(cache="renew").notes, runner.runs) == (("newer",), 4)
    assert (ask().notes, runner.runs) == (("newer",), 4)


def test_with_a_failing_store_the_work_is_done_every_time(store: MemoryStore, settings: Settings) -> None:
    runner = FakeRunner()
    ask, _ = asking(runner, store, settings)
    ask()
    store.broken = True
    assert [ask().cache for _ in range(3)] == ["miss"] * 3
    assert runner.runs == 4


def test_a_store_that_hangs_is_a_miss_after_the_timeout(
    store: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "STORE_TIMEOUT_S", 0.05)
    monkeypatch.setattr(store, "get", lambda key: time.sleep(0.5))
    ask, _ = asking(FakeRunner(), store, settings)
    assert ask().cache == "miss"


def test_a_spoilt_entry_is_a_miss(store: MemoryStore, settings: Settings) -> None:
    ask, _ = asking(FakeRunner(), store, settings)
    ask()
    (key,) = store.entries
    store.entries[key] = store.entries[key][:-3]
    assert (ask().cache, ask().cache) == ("miss", "hit")


def test_a_result_of_other_models_than_those_on_the_disk_is_not_kept(store: MemoryStore, settings: Settings) -> None:
    runner = FakeRunner(replace(DONE, models={DEFAULT_SEGMENTER: "as it was when the worker loaded it"}))
    ask, _ = asking(runner, store, settings)
    assert (ask().cache, ask().cache) == ("miss", "miss")
    assert store.entries == {}


def test_a_result_is_not_kept_when_weights_changed_meanwhile(store: MemoryStore, settings: Settings) -> None:
    runner = FakeRunner()
    ask, _ = asking(runner, store, settings)
    file = settings.checkpoints_dir / CATALOGUE[DEFAULT_SEGMENTER].files[0].path
    file.parent.mkdir(parents=True)
    runner.before = lambda: [file.write_bytes(b"weights"), os.utime(file, (1, 1))][0]
    ask()
    assert store.entries == {}
    ask()
    assert ask().cache == "hit"


def test_every_run_writes_its_debug_folder(store: MemoryStore, settings: Settings, tmp_path: Path) -> None:
    runner = FakeRunner()
    ask, _ = asking(runner, store, settings.model_copy(update={"debug_dir": tmp_path}))
    assert (ask().cache, ask().cache, runner.runs) == ("miss", "miss", 2)


def test_the_workers_stages_are_counted(store: MemoryStore, settings: Settings) -> None:
    ask, cache = asking(FakeRunner(replace(DONE, stage_caches={"segment": "hit", "depth": "miss"})), store, settings)
    ask()
    ask()
    assert cache.counts == {
        ("result", "miss"): 1, ("result", "hit"): 1, ("segment", "hit"): 1, ("depth", "miss"): 1,
    }  # fmt: skip


def test_a_cancelled_request_ends_the_work(store: MemoryStore, settings: Settings) -> None:
    async def scene() -> bool:
        began, ended = asyncio.Event(), asyncio.Event()

        class Slow(FakeRunner):
            async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
                began.set()
                try:
                    await asyncio.sleep(600)
                finally:
                    ended.set()
                return DONE

        running = asyncio.ensure_future(CachingRunner(Slow(), Cache(store, lambda: SECRET), settings).run(work()))
        async with asyncio.timeout(60):
            await began.wait()
            running.cancel()
            await ended.wait()
        return running.cancelling() == 1

    assert asyncio.run(scene())


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with serving(settings) as client:
        yield client


def serving(settings: Settings) -> TestClient:
    """Return the service with the real pipeline in threads of this process, and a cache."""
    settings = settings.model_copy(update={"logs_dir": settings.data_dir / "logs"})
    engines = Engines(settings, open_stages(settings))
    return TestClient(
        create_app(settings, InProcessRunner(settings, lambda work, on_stage: perform(work, engines, on_stage)))
    )


PHOTO = encoded(toy()[0])


@pytest.mark.parametrize("route", ["/remove-bg", "/generate-mesh"])
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_the_second_answer_is_the_first_one_again(client: TestClient, route: str, accept: str) -> None:
    answers = [client.post(route, files={"file": PHOTO}, headers={"Accept": accept}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit"]
    assert answers[0].content == answers[1].content
    for header in ("content-type", "content-disposition", "x-notes", "cache-control"):
        assert answers[0].headers[header] == answers[1].headers[header]
    assert answers[1].headers["server-timing"].startswith("cache;")


def test_a_new_option_takes_the_networks_answer_from_the_cache_and_says_so(client: TestClient) -> None:
    json_please = {"Accept": "application/json"}
    client.post("/remove-bg", files={"file": PHOTO})
    again = client.post("/remove-bg", files={"file": PHOTO}, data={"quality": "fast"}, headers=json_please)
    assert again.headers["X-Cache"] == "miss"
    assert again.json()["report"]["cached"] == ["segment"]
    fresh = {**json_please, "Cache-Control": "no-store"}
    fresh_answer = client.post("/remove-bg", files={"file": PHOTO}, data={"quality": "fast"}, headers=fresh)
    assert fresh_answer.json()["report"]["cached"] == []
    assert fresh_answer.json()["result"] == again.json()["result"]


def test_errors_are_not_cached_and_have_no_such_header(client: TestClient) -> None:
    for _ in range(2):
        answer = client.post("/remove-bg", files={"file": PHOTO[:-40]})
        assert answer.status_code == 422
        assert "X-Cache" not in answer.headers


def test_health_shows_the_cache(client: TestClient) -> None:
    assert client.get("/health").json()["cache"] == {"store": "disk", "why": ""}


def test_without_a_cache_no_answer_mentions_one(settings: Settings) -> None:
    with serving(settings.model_copy(update={"cache_bytes": 0})) as client:
        answers = [client.post("/remove-bg", files={"file": PHOTO}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert "X-Cache" not in answers[1].headers
        assert client.get("/health").json()["cache"] == {"store": "none", "why": ""}
    assert not (settings.data_dir / "cache").exists()


def test_the_service_works_while_redis_is_down(
    redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MIN_PAUSE_S", 0.0)  # so that the restarted server is asked at once
    remote = settings.model_copy(update={"cache_url": SecretStr(redis_server.url)})
    with serving(remote) as client:
        send = lambda: client.post("/remove-bg", files={"file": PHOTO})  # noqa: E731
        answers = [send(), send()]
        redis_server.kill()
        answers += [send(), send()]
        assert client.get("/health").json()["cache"]["why"] != ""
        redis_server.start()
        answers += [send(), send()]
        assert [answer.status_code for answer in answers] == [200] * 6
        assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit", "miss", "miss", "miss", "hit"]
        assert len({answer.content for answer in answers}) == 1
    assert not (settings.data_dir / "cache").exists()


def test_two_services_share_a_folder(settings: Settings) -> None:
    with serving(settings) as client:
        first = client.post("/remove-bg", files={"file": PHOTO})
    cache = open_cache(settings)
    assert cache is not None
    with serving(settings) as client:
        again = client.post("/remove-bg", files={"file": PHOTO})
    assert (again.headers["X-Cache"], again.content) == ("hit", first.content)
    json.dumps(cache.describe())


GOOD_HEADER = {
    "files": [{"name": "mask.png", "media_type": "image/png"}],
    "stages": [{"name": "segment", "seconds": 0.1, "device": "cpu"}],
    "notes": [],
    "report": {},
}


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"name": "../../home/thesis.png", "media_type": "image/png"}]},
        {"files": [{"name": "/etc/cron.d/job", "media_type": "image/png"}]},
        {"files": [{"name": "mask.png", "media_type": "text/html"}]},
        {"files": [{"name": "mask.png", "media_type": "image/png", "path": "/etc"}]},
        {"files": [{"name": 7, "media_type": "image/png"}]},
        {"files": []},
        {"files": [GOOD_HEADER["files"][0]] * 2},
        {"files": "mask.png"},
        {"stages": [{"name": "segment"}]},
        {"stages": None},
        {"notes": "a note"},
        {"report": []},
        {"extra": 1},
    ],
)
def test_a_well_sealed_entry_of_another_shape_is_a_miss(change: dict[str, Any], tmp_path: Path) -> None:
    cache = Cache(MemoryStore(), lambda: SECRET)
    cache.keep("good", GOOD_HEADER, [b"mask"])
    assert find_result(cache, "good", tmp_path) is not None
    cache.keep("bad", {**GOOD_HEADER, **change}, [b"mask"])
    assert find_result(cache, "bad", tmp_path) is None


def test_a_large_cached_result_lies_on_disk_without_a_name(tmp_path: Path) -> None:
    cache, data = Cache(MemoryStore(), lambda: SECRET), bytes(INLINE_BYTES + 1)
    keep_result(cache, "key", Done((File("mask.png", "image/png", data),)))
    found = find_result(cache, "key", tmp_path)
    assert found is not None and isinstance(found.files[0], SpooledFile)
    assert found.files[0].data == data and not list(tmp_path.iterdir())
