"""The driver of `batch --cluster`, with nodes and hands that a test makes up: no Ray is needed."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from backend.cluster import folder as module
from backend.cluster.folder import TRIES, ClusterRun, Order, Outcome, Task
from backend.contract.errors import OverloadedError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.folders.batch.inputs import FolderSource
from backend.folders.batch.manifest import Manifest
from backend.folders.batch.out_folder import OutFolder
from backend.folders.batch.picture import BatchConfig, Item, begun
from backend.folders.batch.progress import Silent

ITEMS = [Item(f"{number}.png", f"{number}.png") for number in range(40)]


class RayError(Exception):
    """What Ray raises for an actor that is lost."""


class Hand:
    """Does every picture at once, when its node has room and `may_work` says so; one in `ends` is its own end."""

    def __init__(self, order: Order, has_room: bool, may_work: Callable[[], bool], ends: Counter[str]) -> None:
        self._order, self._has_room, self._may_work, self._ends = order, has_room, may_work, ends
        self.ready, self.close = SimpleNamespace(remote=self._ready), SimpleNamespace(remote=self._close)
        self.do = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._do))

    async def _ready(self) -> str:
        if not self._has_room:
            await asyncio.Event().wait()
        return ""

    async def _close(self) -> None:
        return None

    async def _do(self, tasks: list[Task]) -> AsyncIterator[Awaitable[Outcome]]:
        while not self._may_work():
            await asyncio.sleep(0.01)
        for item, before in tasks:
            if item.input in self._ends:
                self._ends[item.input] += 1
                raise RayError("gone")
            record = begun(self._order.config, self._order.key, item, before)
            answer = asyncio.get_running_loop().create_future()
            answer.set_result((replace(record, state="done", output=item.name), True))
            yield answer


def do_all(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    full: set[str],
    may_work: Callable[[ClusterRun], bool] = lambda run: True,
    ends: Counter[str] | None = None,
) -> tuple[Silent, Manifest]:
    """Run `ITEMS` on the nodes "one" and "two", of which those in `full` have no core free.

    Pictures in `ends` end their hands, which are counted there.
    """
    ray = ModuleType("ray")
    resources = {"CPU": 1, "memory": 2**40}
    rows = [
        {"NodeID": each, "NodeManagerAddress": each, "Alive": True, "Resources": resources} for each in ("one", "two")
    ]
    actors = [{"name": "SERVE_REPLICA::mask", "namespace": "serve"}, {"name": "other", "namespace": ""}]
    for name, value in {
        "nodes": lambda: rows,
        "kill": lambda hand: None,
        "shutdown": lambda: None,
        "available_resources": lambda: {"CPU": 1.0},
        "util": SimpleNamespace(list_named_actors=lambda all_namespaces: actors),
        "exceptions": SimpleNamespace(RayError=RayError),
    }.items():
        setattr(ray, name, value)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(module, "connect", lambda cluster: None)
    monkeypatch.setattr(module, "ROOM_S", 0.05)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)

    def new_hand(run: ClusterRun, node: Any) -> Hand:
        return Hand(run._order, node.id not in full, lambda: may_work(run), Counter() if ends is None else ends)

    monkeypatch.setattr(ClusterRun, "_new_hand", new_hand)
    source, out, display = FolderSource(folder / "in", folder / "out"), OutFolder(folder / "out"), Silent()
    manifest = Manifest(out)
    places = (folder / "in", folder / "out")
    config = BatchConfig("remove-bg", MaskOptions())

    async def run() -> None:
        run = ClusterRun("auto", config, Settings(), None, places, source, out, manifest, display)
        try:
            await run.do(ITEMS)
        finally:
            await run.close()

    try:
        asyncio.run(run())
    finally:
        out.close()
    return display, manifest


def test_each_picture_is_recorded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    display, manifest = do_all(monkeypatch, tmp_path, set())
    assert display.tally.finished == display.tally.states["done"] == len(ITEMS)
    assert {record.input for record in manifest.records.values() if record.state == "done"} == {
        item.input for item in ITEMS
    }


def test_a_picture_that_ends_its_hands_is_given_up_and_costs_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ends = Counter({"0.png": 0, "20.png": 0, "39.png": 0})
    _, manifest = do_all(monkeypatch, tmp_path, set(), ends=ends)
    failed = {name: record.code for name, record in manifest.records.items() if record.state != "done"}
    assert failed == dict.fromkeys(ends, "worker-lost") and len(manifest.records) == len(ITEMS)
    assert set(ends.values()) == {TRIES}


def test_a_node_whose_cores_are_held_is_named_and_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    display, _ = do_all(monkeypatch, tmp_path, {"two"}, lambda run: run._nodes["two"].waits)
    assert display.tally.finished == len(ITEMS)
    assert capsys.readouterr().err == (
        "two waits for a core: 1 of the cluster's 2 are free. "
        "Replicas of a service hold cores; `cluster status` shows them.\n"
    )


def test_a_run_that_gets_no_core_ends_and_says_who_holds_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = ClusterRun._say_what_is_held

    async def and_no_patience_is_left(run: ClusterRun, node: Any) -> None:
        await said(run, node)
        monkeypatch.setattr(module, "PATIENCE_S", 0.0)

    monkeypatch.setattr(ClusterRun, "_say_what_is_held", and_no_patience_is_left)
    with pytest.raises(OverloadedError, match=r"takes work\. (one|two) waits for a core"):
        do_all(monkeypatch, tmp_path, {"one", "two"})
