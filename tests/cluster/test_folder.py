"""`batch --cluster` on two nodes: whatever is killed, each picture has one record and one whole result."""

import importlib.util
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("ray") is None:  # it reads its settings when it is imported: not in this process
    pytest.skip("ray is not installed; requirements-cluster.txt has it", allow_module_level=True)

from backend.cluster.connect import _lets_anyone_in
from backend.contract.settings import Settings
from backend.folders.batch.manifest import Manifest, Record
from backend.folders.batch.out_folder import OutFolder
from tests.helpers.bucket import Bucket, bucket
from tests.helpers.two_nodes import BOMB, PICTURE, POISON, TwoNodes, made_from, two_nodes
from tests.helpers.waiting import until

pytestmark = pytest.mark.timeout(600)  # of a machine that does much else
PATIENCE_S = 300.0
COUNT = 60


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(stand_in: Bucket) -> Iterator[TwoNodes]:
    with two_nodes(stand_in.environment, work_s=0.1) as made:
        yield made


def test_a_cluster_with_a_token_lets_nobody_in_without(cluster: TwoNodes) -> None:
    assert not _lets_anyone_in(cluster.address)


def records(out: Path) -> dict[str, Record]:
    folder = OutFolder(out)
    manifest = Manifest(folder)
    manifest.close()
    folder.close()
    return manifest.records


def test_driver_and_node_are_killed_and_nothing_is_lost_or_done_twice_but_what_was_in_work(
    cluster: TwoNodes, tmp_path: Path
) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    (pictures / "deep").mkdir(parents=True)
    files = {f"deep/p{index:02d}.png": PICTURE + str(index).encode() for index in range(COUNT)}
    ends = {"a.png": BOMB, "b.png": POISON}
    for name, data in (files | ends).items():
        (pictures / name).write_bytes(data)

    first = cluster.start(pictures, out, "--json")
    until(lambda: len(list(out.glob("deep/*.png"))) >= COUNT // 3, PATIENCE_S)
    first.kill()
    first.communicate()
    kept = {name for name, record in records(out).items() if record.state == "done"}
    begun_first = Counter(cluster.begun())

    second = cluster.start(pictures, out, "--json")
    until(lambda: len(list(out.glob("deep/*.png"))) >= COUNT * 2 // 3, PATIENCE_S)
    cluster.kill_node()
    printed, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1, said
    last = json.loads(printed.splitlines()[-1])
    assert (last["done"], last["failed"]) == (COUNT, 2)

    found = records(out)
    assert {name for name, record in found.items() if record.state == "done"} == set(files)
    assert {name: found[name].code for name in ends} == {"a.png": "worker-lost", "b.png": "worker-lost"}
    for name, data in files.items():
        assert (out / name).read_bytes() == made_from(data)
    stored = {str(path.relative_to(out)) for path in out.rglob("*.*") if path.is_file()}
    assert {name for name in stored if ".mattemesh" not in name} == {*files, "manifest.jsonl", "report.html"}
    assert {name for name in stored if "partial" in name} == set()

    begun = Counter(cluster.begun())
    assert len(kept) >= COUNT // 3 - 6
    assert not [name for name in kept if begun[files[name]] != begun_first[files[name]]]
    settings = Settings()
    in_work = settings.batch_size + 2  # of one hand
    again = sum(begun[data] - 1 for data in files.values())
    assert again <= 2 * in_work + 2 * 3 * in_work  # driver and node; the bomb's three hands, perhaps in each run


def test_a_stop_keeps_what_is_done_and_says_so(cluster: TwoNodes, tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    pictures.mkdir()
    for index in range(400):
        (pictures / f"p{index:03d}.png").write_bytes(PICTURE + f"s{index}".encode())
    run = cluster.start(pictures, out, "--quiet")
    until(lambda: len(list(out.glob("*.png"))) >= 10, PATIENCE_S)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130 and "Traceback" not in said
    done = [name for name, record in records(out).items() if record.state == "done"]
    assert 5 <= len(done) < 400 and (out / "report.html").is_file()


def test_a_bucket_into_a_bucket_and_again(cluster: TwoNodes, stand_in: Bucket) -> None:
    files = {f"p{index:02d}.png": PICTURE + f"b{index}".encode() for index in range(20)}
    stand_in.objects |= {f"in/{name}": data for name, data in files.items()}
    for new in (20, 0):
        run = cluster.start("s3://photos/in", "s3://photos/cut", "--json")
        printed, said = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, said
        last = json.loads(printed.splitlines()[-1])
        assert (last["done"], last["new"]) == (20, new)
    results = {
        key: data for key, data in stand_in.objects.items() if key.startswith("cut/") and ".mattemesh" not in key
    }
    lines = [json.loads(line) for line in results.pop("cut/manifest.jsonl").splitlines()]
    assert Counter(line.get("input") for line in lines[1:]) == Counter(dict.fromkeys(files, 1))
    assert results.pop("cut/report.html")
    assert results == {f"cut/{name}": made_from(data) for name, data in files.items()}
    assert not [key for key in stand_in.objects if "/manifest/" in key or "/partial/" in key]
