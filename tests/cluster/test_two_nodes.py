"""Two Ray nodes on one machine, for `batch --cluster` and then the service: what is lost when a part of it is lost.

One cluster serves all tests, in their order; each leaves two nodes.
"""

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

if find_spec("ray") is None:  # it reads its settings when it is imported: not in this process
    pytest.skip("Ray is not installed; requirements-cluster.txt has it", allow_module_level=True)

from backend.cluster.connect import _lets_anyone_in
from backend.contract.settings import Settings
from tests.helpers.bucket import Bucket, bucket
from tests.helpers.manifests import records
from tests.helpers.picture_files import saved, scene
from tests.helpers.real_service import RealService, form, running
from tests.helpers.two_nodes import BOMB, HELD, PICTURE, POISON, TwoNodes, made_from, two_nodes
from tests.helpers.waiting import until

pytestmark = pytest.mark.timeout(600)  # of a machine that does much else
PATIENCE_S = 240.0
COUNT = 60
PHOTO = saved(scene(120, 160), "PNG")
SETTINGS = {
    "CLUSTER_MASK_REPLICAS": "2",
    "CLUSTER_MESH_REPLICAS": "1..2",
    "CLUSTER_MASK_CPUS": "0.5",
    "CLUSTER_MESH_CPUS": "0.5",
    "MAX_WAITING": "8",
    "FETCH_WEIGHTS": "0",
}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(stand_in: Bucket) -> Iterator[TwoNodes]:
    with two_nodes(work_s=0.1, **stand_in.environment) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def service(cluster: TwoNodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealService]:
    cluster.deploy(**SETTINGS)
    folder = tmp_path_factory.mktemp("front")
    own = {**SETTINGS, "CLUSTER_MASK_REPLICAS": "1"}  # what is deployed counts
    with running(folder, **{**cluster.environment, "CLUSTER": cluster.address, **own}) as service:
        yield service


# A folder and a bucket.


def test_driver_and_node_are_killed_and_nothing_is_lost_or_done_twice_but_what_was_in_work(
    cluster: TwoNodes, tmp_path: Path
) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    (pictures / "deep").mkdir(parents=True)
    files = {f"deep/p{index:02d}.png": PICTURE + str(index).encode() for index in range(COUNT)}
    ends = {"a.png": BOMB, "b.png": POISON}
    for name, data in (files | ends).items():
        (pictures / name).write_bytes(data)

    first = cluster.batch(pictures, out, "--json")
    until(lambda: len(list(out.glob("deep/*.png"))) >= COUNT // 3, PATIENCE_S)
    first.kill()
    first.communicate()
    kept = {name for name, record in records(out).items() if record.state == "done"}
    begun_first = Counter(cluster.begun())

    second = cluster.batch(pictures, out, "--json")
    until(lambda: len(list(out.glob("deep/*.png"))) >= COUNT * 2 // 3, PATIENCE_S)
    cluster.do("kill")
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
    in_work = Settings().batch_size + 2  # of one hand
    again = sum(begun[data] - 1 for data in files.values())
    assert again <= 2 * in_work + 2 * 3 * in_work  # driver and node; the bomb's three hands, perhaps in each run
    cluster.do("add")


def test_a_bucket_goes_into_a_bucket_and_a_stop_in_the_middle_keeps_what_is_done(
    cluster: TwoNodes, stand_in: Bucket
) -> None:
    files = {f"p{index:02d}.png": (PICTURE if index < 8 else HELD) + f"b{index}".encode() for index in range(40)}
    stand_in.objects |= {f"in/{name}": data for name, data in files.items()}

    def results() -> dict[str, bytes]:
        return {key: data for key, data in dict(stand_in.objects).items() if key.startswith("cut/p")}

    def report() -> list[dict[str, object]]:
        return [json.loads(line) for line in stand_in.objects["cut/manifest.jsonl"].splitlines()[1:]]

    cluster.hold.touch()
    stopped = cluster.batch("s3://photos/in", "s3://photos/cut", "--json")
    try:
        until(lambda: len(results()) >= 4, PATIENCE_S)
        stopped.send_signal(signal.SIGTERM)
        _, said = stopped.communicate(timeout=PATIENCE_S)
    finally:
        cluster.hold.unlink()
    assert stopped.returncode == 130 and "Traceback" not in said
    kept = [line["input"] for line in report() if line["state"] == "done"]
    assert 0 < len(kept) <= 8 and "cut/report.html" in stand_in.objects

    again = cluster.batch("s3://photos/in", "s3://photos/cut", "--json")
    printed, said = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0, said
    last = json.loads(printed.splitlines()[-1])
    assert (last["done"], last["new"]) == (len(files), len(files) - len(kept))
    assert Counter(line["input"] for line in report() if line["state"] == "done") == Counter(dict.fromkeys(files, 1))
    assert results() == {f"cut/{name}": made_from(data) for name, data in files.items()}
    assert not [key for key in stand_in.objects if "/manifest/" in key or "/partial/" in key]


# The service.


def mask(service: RealService, told: str) -> tuple[int, str]:
    return service.post("/remove-bg", {"file": told.encode() + b"\n"}).outcome


def replicas(service: RealService, lane: str = "mask") -> list[dict[str, object]]:
    return [row for row in service.get("/health").json()["workers"] if row["lane"] == lane and row["node"]]


def both_work(service: RealService) -> bool:
    return len({row["node"] for row in replicas(service) if row["state"] in ("idle", "busy")}) == 2


def test_masks_are_made_on_both_nodes_and_ray_is_in_the_bridge_alone(service: RealService, cluster: TwoNodes) -> None:
    service.until(lambda: both_work(service), PATIENCE_S)
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: service.post("/remove-bg", {"file": b"where:0.2\n"}), range(12)))
    assert {answer.status for answer in answers} == {200}
    assert {int(answer.body) for answer in answers} == {row["pid"] for row in replicas(service)}
    assert "_raylet" not in Path(f"/proc/{service.pid}/maps").read_text()
    assert "_raylet" in Path(f"/proc/{service.worker()['pid']}/maps").read_text()

    names = {row["name"] for row in service.get("/health").json()["nodes"]}
    assert len(names) == 2 and {row["node"] for row in replicas(service)} == names
    metrics = service.get("/metrics").body.decode()
    assert "mattemesh_nodes 2.0" in metrics
    assert all(f'mattemesh_replicas{{lane="mask",node="{name}"}} 1.0' in metrics for name in names)
    shown = cluster.run("-m", "backend", "cluster", "status")
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in names) and "masks: RUNNING, 2 replicas" in shown.stdout


def test_nobody_is_let_in_without_the_token_which_workers_and_readers_do_not_get(
    service: RealService, cluster: TwoNodes
) -> None:
    assert not _lets_anyone_in(cluster.address)
    refused = cluster.run("-m", "backend", "cluster", "status", RAY_AUTH_TOKEN="f" * 64)
    assert refused.returncode == 1 and "wants another token" in refused.stderr.splitlines()[-1]  # after Ray's own
    assert refused.stderr.count("Unauthenticated") == 1  # it was shown once: Ray would try 20 times
    worker = psutil.Process(int(str(replicas(service)[0]["pid"])))
    assert "PATH" in worker.environ() and not [name for name in worker.environ() if name.startswith("RAY_")]
    shown = service.get("/health").body + service.get("/metrics").body
    assert cluster.environment["RAY_AUTH_TOKEN"].encode() not in shown


def test_a_lost_worker_and_other_failures_cost_their_own_request(service: RealService) -> None:
    assert mask(service, "refuse") == (422, "no-subject")
    assert mask(service, "fail") == (500, "internal")
    assert mask(service, "kill") == (503, "worker-lost")
    assert mask(service, "echo") == (200, "ok")


def test_a_full_queue_refuses_and_a_client_that_leaves_frees_its_place(service: RealService, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    codes: list[tuple[int, str]] = []
    clients = [threading.Thread(target=lambda: codes.append(mask(service, f"held:{gate}"))) for _ in range(16)]
    for client in clients:
        client.start()
    until(lambda: len(codes) == 4)  # of 16, four are with the replicas and eight wait
    assert Counter(codes) == {(503, "overloaded"): 4}
    gate.touch()
    for client in clients:
        client.join()
    assert Counter(codes) == {(503, "overloaded"): 4, (200, "ok"): 12}

    def leave(_: int) -> None:
        with pytest.raises(TimeoutError):
            service.ask("POST", "/remove-bg", *form({"file": b"stages:600\n"}), timeout_s=1.0)

    with ThreadPoolExecutor(4) as leaving:
        list(leaving.map(leave, range(4)))
    service.until(lambda: service.lane()["running"] == 0)
    assert mask(service, "echo") == (200, "ok")


def test_the_work_of_a_silent_replica_is_done_again(service: RealService, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(mask, service, f"first:{mark}")
        until(lambda: mark.exists() and mark.read_text())
        actor = psutil.Process(int(mark.read_text())).parent()
        assert actor is not None
        actor.suspend()
        try:
            assert answer.result(120) == (200, "ok")
        finally:
            if actor.is_running():
                actor.resume()


def test_more_replicas_come_with_the_load(service: RealService, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service.until(lambda: len(replicas(service, "mesh")) == 1)
    with ThreadPoolExecutor(3) as clients:
        held = f"held:{gate}\n".encode()
        answers = [clients.submit(service.post, "/generate-mesh", {"file": held}) for _ in range(3)]
        try:
            service.until(lambda: len(replicas(service, "mesh")) == 2, 120)
        finally:
            gate.touch()
        assert {answer.result(120).status for answer in answers} == {200}


def test_a_node_that_is_killed_costs_no_request(service: RealService, cluster: TwoNodes) -> None:
    service.until(lambda: both_work(service))
    done: list[tuple[int, str]] = []
    left = iter(range(40))

    def client() -> None:
        for number in left:
            done.append(mask(service, "where:0.1"))
            if number == 15:
                cluster.do("kill")

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert Counter(done) == {(200, "ok"): 40}
    service.until(lambda: len(replicas(service)) == 2)  # the lost one is replaced where there is room
    cluster.do("add")
    service.until(lambda: len(service.get("/health").json()["nodes"]) == 2)


@pytest.mark.slow
def test_the_service_outlives_the_head_and_comes_back(service: RealService, cluster: TwoNodes, tmp_path: Path) -> None:
    pid, mark = service.pid, tmp_path / "begun"
    with ThreadPoolExecutor(1) as clients:
        lost = clients.submit(mask, service, f"first:{mark}")
        until(mark.exists)
        cluster.do("kill head")
        assert lost.result(120) == (503, "worker-lost")
    service.until(lambda: service.get("/readyz").status == 503)
    assert service.get("/healthz").status == 200
    cluster.do("new head")
    service.until(lambda: service.get("/readyz").status == 200, 120)  # with replicas of its own making
    answer = service.post("/remove-bg", {"file": PHOTO}, model="border")
    assert answer.status == 200 and answer.body.startswith(b"\x89PNG")
    assert service.post("/remove-bg", {"file": PHOTO[: len(PHOTO) // 2]}).outcome == (422, "image-corrupt")
    assert service.pid == pid and psutil.Process(pid).is_running()


@pytest.mark.slow
def test_replicas_are_removed_and_deployed_again(service: RealService, cluster: TwoNodes) -> None:
    assert cluster.run("-m", "backend", "cluster", "remove").returncode == 0
    service.until(lambda: service.get("/readyz").status == 503)
    assert "No replica" in service.get("/readyz").json()["detail"]
    assert cluster.run("-m", "backend", "cluster", "status").returncode == 1
    deployed = cluster.run("-m", "backend", "cluster", "deploy", **{**SETTINGS, "CLUSTER_MASK_REPLICAS": "1"})
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    service.until(lambda: service.get("/readyz").status == 200)
    assert service.post("/remove-bg", {"file": PHOTO}, model="border").status == 200
