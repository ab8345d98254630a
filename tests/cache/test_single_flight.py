"""Equal work at the same time is computed once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backend.cache.cache import Cache
from backend.cache.results import CachingRunner
from backend.cache.single_flight import SingleFlight
from backend.contract.errors import OverloadedError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.spool import spool_bytes
from backend.contract.work import Done, File, OnStage, Work
from tests.helpers.cache_stores import MemoryStore
from tests.helpers.scripted_runner import ScriptedRunner, done
from tests.helpers.wire import served, status_of, upload

SECRET = b"a secret"
WORK = Work("remove-bg", {"file": b"photo"}, MaskOptions())


class Held:
    """Work that ends when `gate` is set, with `outcome`."""

    def __init__(self, outcome: Done | Exception | None = None) -> None:
        self.outcome = outcome or done("mask.png", "cutout.png", "report.json")
        self.gate, self.begun, self.cancelled = asyncio.Event(), 0, 0

    async def __call__(self, on_stage: OnStage) -> Done:
        self.begun += 1
        on_stage("start")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        on_stage("end")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_all_who_wait_get_the_result_of_one_run_and_hear_its_stages() -> None:
    async def scene() -> None:
        flights, work = SingleFlight(), Held()
        heard: list[list[str]] = [[], [], []]
        asked = [asyncio.create_task(flights.run("key", work, row.append)) for row in heard[:2]]
        await turns()
        asked.append(asyncio.create_task(flights.run("key", work, heard[2].append)))
        other = asyncio.create_task(flights.run("another", work, lambda stage: None))
        await turns()
        assert (work.begun, len(flights)) == (2, 2)
        work.gate.set()
        results = await asyncio.gather(*asked, other)
        assert all(result.files == results[0].files for result in results)
        assert heard == [["start", "end"]] * 3
        assert len(flights) == 0
        await flights.run("key", work, lambda stage: None)
        assert work.begun == 3  # later work is computed again: what is kept is the cache's matter

    asyncio.run(scene())


def test_an_error_goes_to_all_who_wait() -> None:
    async def scene() -> None:
        flights, work = SingleFlight(), Held(OverloadedError("Full."))
        asked = [asyncio.create_task(flights.run("key", work, lambda stage: None)) for _ in range(3)]
        await turns()
        work.gate.set()
        raised = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(error) for error in raised] == [OverloadedError] * 3
        assert work.begun == 1

    asyncio.run(scene())


@pytest.mark.parametrize("leaving", [0, 1])
def test_one_who_leaves_does_not_stop_the_work_of_another(leaving: int) -> None:
    async def scene() -> None:
        flights, work = SingleFlight(), Held()
        asked = [asyncio.create_task(flights.run("key", work, lambda stage: None)) for _ in range(2)]
        await turns()
        asked[leaving].cancel()
        await turns()
        work.gate.set()
        assert (await asked[1 - leaving]).files[0].name == "mask.png"
        assert (work.begun, work.cancelled) == (1, 0)

    asyncio.run(scene())


def test_work_that_all_have_left_is_cancelled_and_begins_again_for_the_next() -> None:
    async def scene() -> None:
        flights, work = SingleFlight(), Held()
        asked = [asyncio.create_task(flights.run("key", work, lambda stage: None)) for _ in range(2)]
        await turns()
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        again = asyncio.create_task(flights.run("key", work, lambda stage: None))
        await turns()
        assert (work.begun, work.cancelled, len(flights)) == (2, 1, 1)
        work.gate.set()
        assert (await again).files

    asyncio.run(scene())


def test_each_waiter_closes_files_of_its_own(tmp_path: Path) -> None:
    async def scene() -> None:
        large = spool_bytes(tmp_path, "mask.png", "image/png", b"content")
        flights, work = SingleFlight(), Held(Done((large, File("report.json", "application/json", b"{}"))))
        asked = [asyncio.create_task(flights.run("key", work, lambda stage: None)) for _ in range(3)]
        await turns()
        work.gate.set()
        for result in await asyncio.gather(*asked):
            assert b"".join(result.files[0].pieces()) == b"content"
            for file in result.files:
                file.close()

    asyncio.run(scene())


Scene = Callable[[CachingRunner, ScriptedRunner, asyncio.Event], Awaitable[None]]


def in_scene(tmp_path: Path, scene: Scene) -> None:
    """Run `scene` over a cache and a runner whose work ends when the event is set."""

    async def run() -> None:
        gate = asyncio.Event()

        async def script(work: Work, on_stage: OnStage) -> Done:
            on_stage("start")
            await gate.wait()
            return done("mask.png", "cutout.png") if work.form == "job" else done("mask.png")

        runner = ScriptedRunner(script)
        settings = Settings(checkpoints_dir=tmp_path / "checkpoints", data_dir=tmp_path, cache_bytes=100_000_000)
        await scene(CachingRunner(runner, Cache(MemoryStore(), lambda: SECRET), settings), runner, gate)

    asyncio.run(run())


async def asked_of(runner: ScriptedRunner, count: int) -> None:
    async with asyncio.timeout(30):
        while len(runner.asked) < count:
            await asyncio.sleep(0.005)


def test_a_request_waits_for_the_job_that_does_its_work(tmp_path: Path) -> None:
    async def scene(caching: CachingRunner, runner: ScriptedRunner, gate: asyncio.Event) -> None:
        jobs = [asyncio.create_task(caching.run(replace(WORK, form="job", name=name))) for name in "ab"]
        await asked_of(runner, 1)
        request = asyncio.create_task(caching.run(replace(WORK, client="someone")))
        renewing = asyncio.create_task(caching.run(replace(WORK, cache="renew")))
        other = asyncio.create_task(caching.run(replace(WORK, form="json")))
        await asked_of(runner, 3)
        flights = caching._flights._flights
        async with asyncio.timeout(30):
            while sum(len(flight.listeners) for flight in flights.values()) < 4:  # one is the run that renews
                await asyncio.sleep(0.005)
        gate.set()
        assert [[file.name for file in (await job).files] for job in jobs] == [["mask.png", "cutout.png"]] * 2
        for each in (request, renewing, other):
            assert [file.name for file in (await each).files] == ["mask.png"]
        assert sorted(work.form for work in runner.asked) == ["file", "job", "json"]

    in_scene(tmp_path, scene)


def test_a_full_queue_answers_what_is_in_the_cache(tmp_path: Path) -> None:
    head, body = upload(100, "Connection: close\r\n")
    with served(tmp_path, cache_bytes=100_000_000) as service:
        assert status_of(service.say(head, body)) == 200
        service.runner.full = True
        assert b"x-cache: hit" in service.say(head, body).lower()
        renewing = head.replace(b"Connection", b"Cache-Control: no-cache\r\nConnection")
        assert status_of(service.say(renewing, body)) == 503
        assert len(service.runner.seen) == 1
