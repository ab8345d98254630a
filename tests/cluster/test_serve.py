"""The service before a Ray cluster of two nodes: what it loses when a node, a replica, a worker or the head is lost."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.helpers.picture_files import saved, scene
from tests.helpers.ray_cluster import DEPLOY, TwoNodes, two_nodes
from tests.helpers.real_service import RealService, form, running
from tests.helpers.waiting import until

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed; requirements-cluster.txt has it"),
    pytest.mark.timeout(300),
]
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
def cluster() -> Iterator[TwoNodes]:
    with two_nodes() as nodes:
        deployed = nodes.run("-c", DEPLOY, **SETTINGS)
        assert deployed.returncode == 0, deployed.stderr[-2000:]
        yield nodes


@pytest.fixture(scope="module")
def service(cluster: TwoNodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealService]:
    folder = tmp_path_factory.mktemp("front")
    with running(folder, **SETTINGS, **cluster.environment, CLUSTER=cluster.address) as service:
        yield service


def mask(service: RealService, told: str) -> tuple[int, str]:
    return service.post("/remove-bg", {"file": told.encode() + b"\n"}).outcome


def replicas(service: RealService, lane: str = "mask") -> list[dict[str, object]]:
    return [row for row in service.get("/health").json()["workers"] if row["lane"] == lane and row["node"]]


def both_work(service: RealService) -> bool:
    return len({row["node"] for row in replicas(service) if row["state"] in ("idle", "busy")}) == 2


def test_masks_are_made_on_both_nodes_and_ray_is_in_the_bridge_alone(service: RealService) -> None:
    service.until(lambda: both_work(service))
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: service.post("/remove-bg", {"file": b"where:0.2\n"}), range(12)))
    assert {answer.status for answer in answers} == {200}
    assert {int(answer.body) for answer in answers} == {row["pid"] for row in replicas(service)}
    assert "_raylet" not in Path(f"/proc/{service.pid}/maps").read_text()
    assert "_raylet" in Path(f"/proc/{service.worker()['pid']}/maps").read_text()


def test_nodes_and_replicas_are_shown(service: RealService, cluster: TwoNodes) -> None:
    health = service.get("/health").json()
    names = {row["name"] for row in health["nodes"]}
    assert len(names) == 2 and {row["node"] for row in replicas(service)} == names
    metrics = service.get("/metrics").body.decode()
    assert "mattemesh_nodes 2.0" in metrics
    assert all(f'mattemesh_replicas{{lane="mask",node="{name}"}} 1.0' in metrics for name in names)
    assert "secret" not in metrics and cluster.environment["RAY_AUTH_TOKEN"] not in metrics
    shown = cluster.run("-m", "backend", "cluster", "status")
    assert shown.returncode == 0, shown.stderr
    assert all(name in shown.stdout for name in names) and "masks: RUNNING, 2 replicas" in shown.stdout


def test_a_wrong_token_is_refused(cluster: TwoNodes) -> None:
    refused = cluster.run("-m", "backend", "cluster", "status", RAY_AUTH_TOKEN="f" * 64)
    assert refused.returncode == 1 and "it wants another token" in refused.stderr.splitlines()[-1]  # after Ray's own


def test_errors_and_the_token_stay_where_they_belong(service: RealService) -> None:
    assert mask(service, "refuse") == (422, "no-subject")
    assert mask(service, "fail") == (500, "internal")
    worker = psutil.Process(int(str(replicas(service)[0]["pid"])))
    assert "PATH" in worker.environ() and not [name for name in worker.environ() if name.startswith("RAY_")]


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
    before = {row["pid"] for row in replicas(service)}
    for _ in range(4):
        with pytest.raises(TimeoutError):
            service.ask("POST", "/remove-bg", *form({"file": b"stages:600\n"}), timeout_s=1.0)
    service.until(lambda: service.lane()["running"] == 0)
    assert mask(service, "echo") == (200, "ok")
    assert {row["pid"] for row in replicas(service)} == before  # nothing was killed for it


def test_the_work_of_a_lost_worker_fails_and_the_next_is_done(service: RealService) -> None:
    assert mask(service, "kill") == (503, "worker-lost")
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


def test_replicas_are_removed_and_deployed_again(service: RealService, cluster: TwoNodes) -> None:
    assert cluster.run("-m", "backend", "cluster", "remove").returncode == 0
    service.until(lambda: service.get("/readyz").status == 503)
    assert "No replica" in service.get("/readyz").json()["detail"]
    assert cluster.run("-m", "backend", "cluster", "status").returncode == 1
    deployed = cluster.run("-m", "backend", "cluster", "deploy", **{**SETTINGS, "CLUSTER_MASK_REPLICAS": "1"})
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    service.until(lambda: service.get("/readyz").status == 200)
    assert service.post("/remove-bg", {"file": PHOTO}, model="border").status == 200
