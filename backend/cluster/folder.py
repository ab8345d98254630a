"""The pictures of a run through the nodes of a Ray cluster: names go there, records come back.

A hand is a thin actor: it reads pictures, has them done by a worker process of its own and writes the results; so a
picture that hangs or crashes its worker costs itself alone. The driver lists, hands out and keeps the manifest. Ray
neither reads nor writes nor repeats anything here, and no exception leaves a hand.
"""

import asyncio
import os
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from backend.cache.identity import NEUTRAL, models_of
from backend.cluster.connect import connect
from backend.contract.errors import InvalidParameterError, MattemeshError, OverloadedError
from backend.contract.settings import Settings
from backend.contract.versions import __version__
from backend.contract.work import KINDS
from backend.folders.batch.addresses import Address, open_out, open_source
from backend.folders.batch.manifest import Manifest, Record
from backend.folders.batch.out_folder import OWN
from backend.folders.batch.picture import (
    FATAL,
    BatchConfig,
    Item,
    PictureRun,
    announced,
    begun,
    failed,
    is_settled,
    result_key,
)
from backend.folders.batch.places import Out, Source
from backend.folders.batch.progress import Display, shown
from backend.folders.batch.run import batch_runner
from backend.folders.batch.work import BatchWork
from backend.folders.runner import MEMORY_A_JOB, READ_AHEAD

BLOCK = 16  # names that are handed out together
BLOCKS_AHEAD = 2  # at a hand, so that it does not wait for the driver between them
TRIES = 3  # of a picture whose hands are lost
STARTS = 3  # of a hand in a row that is lost before it returns a record
LOOK_EVERY_S = 5.0  # for nodes that come and go
PATIENCE_S = 120.0  # without any hand at work
ROOM_S = 10.0  # in which a hand has its cores, or a line says that it waits
REPLICA = "SERVE_REPLICA::"  # begins the name of Ray Serve's actors
Task = tuple[Item, Record | None]  # a picture and its record of the last run
Outcome = tuple[Record, bool] | MattemeshError  # a record and whether it is new, or what every picture would meet


@dataclass(frozen=True)
class Order:
    """What a hand has to know."""

    config: BatchConfig
    key: str
    settings: dict[str, Any]  # of the driver, those that change a result or end one
    weights: dict[str, str]  # name of each model -> sizes of its files
    folder: Address
    out: Address
    sign: str  # a file in `out` that tells that it is the driver's
    first: str = ""  # a picture that can be read
    threads: int = 1
    version: str = __version__


class Hand:
    """The actor."""

    def __init__(self, order: Order) -> None:
        os.environ["OMP_NUM_THREADS"] = str(order.threads)  # Ray has set its own
        self._order = order
        self._pictures: PictureRun | None = None

    async def ready(self) -> str:
        """Return why this node can take no part, or ""."""
        try:
            self._open()
        except MattemeshError as error:
            return error.detail
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    async def do(self, block: list[Task]) -> AsyncIterator[Outcome]:
        """Yield what comes of each picture, as it ends."""
        outcomes = asyncio.Queue[Outcome]()

        async def one(item: Item, before: Record | None) -> None:
            async with self._turn:
                outcomes.put_nowait(await self._outcome(item, before))

        tasks = [asyncio.create_task(one(item, before)) for item, before in block]
        for _ in tasks:
            yield await outcomes.get()

    async def close(self) -> None:
        """End the worker process."""
        if self._pictures is not None:
            self._runner.close()
            self._out.close()

    def _open(self) -> None:
        order = self._order
        if order.version != __version__:
            raise InvalidParameterError(f"It has version {__version__}, not {order.version}.")
        settings = Settings().model_copy(update={**order.settings, "threads": order.threads})
        if weights_of(order.config, settings) != order.weights:
            raise InvalidParameterError(f"Its weights differ: {weights_of(order.config, settings)}.")
        for place in (order.folder, order.out):
            if isinstance(place, Path) and not place.is_dir():
                raise InvalidParameterError(f"It has no folder {place}; all nodes need the same ones.")
        self._out = open_out(order.out, joins=True)
        source = open_source(order.folder, order.out)
        if self._out.size_of(order.sign) is None:
            raise InvalidParameterError(f"Its {order.out} is not the driver's.")
        if order.first:
            try:
                source.read(order.first, 1)
            except OSError as error:
                raise InvalidParameterError(f"It cannot read {order.folder}: {error.strerror}.") from error
        self._runner = batch_runner(order.config.kind, settings, 1)
        self._turn = asyncio.Semaphore(settings.batch_size + READ_AHEAD)
        self._pictures = PictureRun(
            order.config, order.key, settings.max_upload_bytes, source, self._out, self._runner, lambda record: None
        )

    async def _outcome(self, item: Item, before: Record | None) -> Outcome:
        assert self._pictures is not None
        try:
            return await self._pictures.do(item, before)
        except FATAL as error:
            return error
        except Exception as error:  # a bug, which must cost no more than this picture
            record = begun(self._order.config, self._order.key, item, before)
            return failed(record, "internal", f"{type(error).__name__}: {error}"), True


def weights_of(config: BatchConfig, settings: Settings) -> dict[str, str]:
    """Return the models that a run may use with the sizes of their files, which machines can compare."""
    stamps = models_of(BatchWork(config.kind, {}, config.options), settings)
    return {name: "+".join(each.partition("-")[0] for each in stamp.split("+")) for name, stamp in stamps.items()}


@dataclass
class _Node:
    """A machine of the cluster."""

    id: str
    address: str
    cpus: int
    gpus: int
    places: int  # hands that it has room for
    running: int = 0  # hands that it has
    waits: bool = False  # whether a line has said that its cores are held


@dataclass
class _Handed:
    """What is still to be done."""

    fresh: Iterator[Task]
    lost: deque[Task] = field(default_factory=deque)  # their hands were lost: one at a time at a hand of its own
    tries: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    exhausted: bool = False

    @property
    def done(self) -> bool:
        return self.exhausted and not self.lost and not self.under_way

    def block(self) -> list[Task]:
        """Return the next pictures that no hand has had, at the end none."""
        tasks = list(islice(self.fresh, BLOCK))
        self.exhausted = self.exhausted or len(tasks) < BLOCK
        self.under_way += len(tasks)
        return tasks


class ClusterRun:
    """Processes the pictures that are new, changed or failed on the nodes of a cluster."""

    def __init__(
        self,
        cluster: str,
        config: BatchConfig,
        settings: Settings,
        jobs: int | None,
        addresses: tuple[Address, Address],
        source: Source,
        out: Out,
        manifest: Manifest,
        display: Display,
    ) -> None:
        """`jobs`: hands in all, by default as many as the nodes have cores and memory for; `addresses`: of `source` and
        `out`. Raises InvalidParameterError and NotReadyError without a cluster that can be used."""
        self._config, self._jobs, self._source, self._out = config, jobs, source, out
        self._manifest, self._display = manifest, display
        self._key = result_key(config, settings)
        self._sign = f"{OWN}/partial/{secrets.token_hex(8)}"
        shared = {name for name in Settings.model_fields if name not in NEUTRAL}
        shared |= {"mask_deadline_s", "mesh_deadline_s", "batch_size"}
        folder, place = (each.resolve() if isinstance(each, Path) else each for each in addresses)
        values = {name: getattr(settings, name) for name in shared}
        self._order = Order(config, self._key, values, weights_of(config, settings), folder, place, self._sign)
        connect(cluster)
        self._nodes: dict[str, _Node] = {}
        self._hands = 0  # at work
        self._why_not = ""  # what the last node that takes no part said

    async def do(self, items: Iterable[Item]) -> None:
        """Process all `items`. Raises errors that every picture would meet, and OverloadedError when no node takes
        any."""
        upcoming = iter(items)
        first = next(upcoming, None)
        if first is None:
            return
        self._order = replace(self._order, first=await asyncio.to_thread(self._readable, first))
        await asyncio.to_thread(self._out.write, self._sign, b"")
        self._handed = _Handed(self._unsettled(chain([first], upcoming)))
        self._changed = asyncio.Condition()
        self._last_sign_of_life = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                while not self._handed.done:
                    await self._look(group)
                    async with self._changed:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._changed.wait_for(lambda: self._handed.done), LOOK_EVERY_S)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def close(self) -> None:
        """Leave the cluster; Ray ends what hands there are still."""
        import ray

        await asyncio.to_thread(ray.shutdown)
        await asyncio.to_thread(self._out.remove, self._sign)

    def _readable(self, item: Item) -> str:
        """Return the name of the picture, "" if it cannot be read."""
        try:
            self._source.read(item.input, 1)
        except OSError:
            return ""
        return item.input

    def _unsettled(self, items: Iterable[Item]) -> Iterator[Task]:
        """Yield the pictures that have to be looked at, each with its record."""
        for item in announced(self._config, self._key, items, self._manifest):
            before = self._manifest.records.get(item.input)
            if is_settled(self._config, self._key, self._out, item, before):
                assert before is not None
                self._display.add(before, False)
                continue
            yield item, before

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Start hands where nodes have room for more."""
        import ray

        alive = {row["NodeID"]: row for row in await asyncio.to_thread(ray.nodes) if row["Alive"]}
        for gone in self._nodes.keys() - alive.keys():
            del self._nodes[gone]
        for node_id, row in alive.items():
            if node_id not in self._nodes:
                self._nodes[node_id] = _node_of(node_id, row, MEMORY_A_JOB[KINDS[self._config.kind].lane])
        while self._jobs is None or sum(node.running for node in self._nodes.values()) < self._jobs:
            node = min(self._nodes.values(), key=lambda each: each.running - each.places, default=None)
            if node is None or node.running >= node.places:
                break
            node.running += 1
            group.create_task(self._keep_hand(node))
        if self._hands:
            self._last_sign_of_life = time.monotonic()
        elif time.monotonic() - self._last_sign_of_life > PATIENCE_S:
            raise OverloadedError(f"No node of the cluster takes work. {self._why_not}".rstrip())

    async def _keep_hand(self, node: _Node) -> None:
        """Keep a hand at work on `node` until all is done, the node is lost or its hands end again and again."""
        import ray

        starts = 0
        while starts < STARTS and node.id in self._nodes and not self._handed.done:
            starts += 1
            hand = self._new_hand(node)
            try:
                if (why_not := await self._ready(hand, node)) is None:
                    break
                if why_not:
                    self._leave_out(node, why_not)
                    break
                self._hands += 1
                try:
                    await self._work(hand)
                    await hand.close.remote()
                finally:
                    self._hands -= 1
                break
            except _HandLostError as error:
                starts = 0 if error.worked else starts
            except ray.exceptions.RayError as error:
                self._why_not = f"{node.address}: {str(error).strip().splitlines()[-1][:300]}"
            finally:
                ray.kill(hand)
        else:
            if starts == STARTS:
                self._leave_out(node, self._why_not or "its hands end again and again")
        node.running -= 1

    async def _ready(self, hand: Any, node: _Node) -> str | None:
        """Return why `node` can take no part, "" when `hand` can work, None when all is done before it has cores."""
        ready = asyncio.ensure_future(hand.ready.remote())
        done = asyncio.create_task(self._until_done())
        try:
            if not (await asyncio.wait({ready, done}, timeout=ROOM_S, return_when=asyncio.FIRST_COMPLETED))[0]:
                await self._say_what_is_held(node)
                await asyncio.wait({ready, done}, return_when=asyncio.FIRST_COMPLETED)
            return str(await ready) if ready.done() else None
        finally:
            ready.cancel()
            done.cancel()

    async def _until_done(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._handed.done)

    async def _say_what_is_held(self, node: _Node) -> None:
        """Print once for each node that its cores are held, and by whom as far as Ray tells it."""
        import ray

        if node.waits:
            return
        node.waits = True
        free_now, names = await asyncio.gather(
            asyncio.to_thread(ray.available_resources),
            asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True),
        )
        replicas = any(each["name"].startswith(REPLICA) for each in names)
        service, others = "Replicas of a service hold cores; `cluster status` shows them.", "Other programs hold cores."
        cores = sum(each.cpus for each in self._nodes.values())
        free = f"{free_now.get('CPU', 0):g} of the cluster's {cores} are free"
        self._why_not = f"{node.address} waits for a core: {free}. {service if replicas else others}"
        sys.stderr.write(f"{shown(self._why_not)}\n")

    def _leave_out(self, node: _Node, why: str) -> None:
        if node.places:
            node.places = 0
            self._why_not = f"{node.address} takes no part: {why}"
            sys.stderr.write(f"{shown(self._why_not)}\n")

    def _new_hand(self, node: _Node) -> Any:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        threads = max(1, node.cpus // max(1, node.places))
        hand = ray.remote(Hand).options(
            num_cpus=threads,
            num_gpus=1 if node.gpus else 0,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        return hand.remote(replace(self._order, threads=threads))

    async def _work(self, hand: Any) -> None:
        """Have `hand` do what no hand has had, then, one by one, what other hands were lost with."""

        async def feed() -> None:
            while tasks := self._handed.block():
                await self._run(hand, tasks)

        feeds = [asyncio.create_task(feed()) for _ in range(BLOCKS_AHEAD)]
        try:
            ended, _ = await asyncio.wait(feeds, return_when=asyncio.FIRST_EXCEPTION)
            if not any(isinstance(each.exception(), MattemeshError) for each in ended):
                await asyncio.wait(feeds)  # of a lost hand each takes back its own
        finally:
            for each in feeds:
                each.cancel()
            came = await asyncio.gather(*feeds, return_exceptions=True)
        for error in sorted(filter(None, came), key=lambda each: not isinstance(each, MattemeshError)):
            raise error
        handed = self._handed
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: handed.lost or handed.done)
                if not handed.lost:
                    return
                task = handed.lost.popleft()
                handed.under_way += 1
            await self._run(hand, [task])

    async def _run(self, hand: Any, tasks: list[Task]) -> None:
        """Record what comes of `tasks`. Raises _HandLostError when the hand is lost, after taking back the others."""
        import ray

        left = {item.input: (item, before) for item, before in tasks}
        try:
            async for answer in hand.do.options(num_returns="streaming").remote(tasks):
                outcome: Outcome = await answer
                if isinstance(outcome, MattemeshError):
                    raise outcome
                record, new = outcome
                if left.pop(record.input, None) is not None:
                    await self._record(record, new)
        except ray.exceptions.RayError as error:
            self._why_not = str(error).strip().splitlines()[-1][:300]
        if left:
            given_up = await self._take_back(list(left.values()))
            raise _HandLostError(worked=given_up or len(left) < len(tasks))

    async def _record(self, record: Record, new: bool) -> None:
        if record != self._manifest.records.get(record.input):
            await asyncio.to_thread(self._manifest.append, record)
        self._display.add(record, new)
        async with self._changed:
            self._handed.under_way -= 1
            self._changed.notify_all()

    async def _take_back(self, tasks: list[Task]) -> bool:
        """Have the pictures done by other hands; return whether one was given up instead."""
        handed, given_up = self._handed, False
        for item, before in tasks:
            handed.tries[item.input] += 1
            if handed.tries[item.input] == TRIES:
                record = begun(self._config, self._key, item, before)
                await self._record(failed(record, "worker-lost", f"{TRIES} processes or machines ended with it."), True)
                given_up = True
                continue
            async with self._changed:
                handed.lost.appendleft((item, before))  # at once again: what ends its hands is found out first
                handed.under_way -= 1
                self._changed.notify_all()
        return given_up


class _HandLostError(Exception):
    """A hand ended before its work did."""

    def __init__(self, worked: bool) -> None:
        """`worked`: something came of it."""
        super().__init__()
        self.worked = worked


def _node_of(node_id: str, row: dict[str, Any], memory_a_job: float) -> _Node:
    """Return the node that Ray describes in `row`."""
    resources = row["Resources"]
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    fits = max(1, int(resources.get("memory", 0) / memory_a_job))
    return _Node(node_id, row["NodeManagerAddress"], cpus, gpus, min(cpus, gpus or fits))
