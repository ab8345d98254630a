"""`deploy/` agrees with the code: files, settings, metrics, commands. No image is built here."""

import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from backend.api.forms import FORM_OVERHEAD_BYTES
from backend.api.metrics.recorded import Metrics
from backend.api.metrics.scraped import Snapshot, exposition
from backend.api.routes import system
from backend.cli import main as command_line
from backend.contract.runner import LaneStatus, NodeStatus, RunnerStatus, WorkerStatus
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.work import KINDS, Done, Stage

DEPLOY = REPOSITORY / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
UNIT = (DEPLOY / "mattemesh.service").read_text()
KUBERNETES = DEPLOY / "kubernetes" / "mattemesh.yaml"
SETTINGS = {name.upper() for name in Settings.model_fields}
# Not ours: what Python, OpenMP and numba read.
FOREIGN = {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "OMP_WAIT_POLICY", "NUMBA_CACHE_DIR"}


def instructions(text: str) -> list[str]:
    """Return the instructions of a Dockerfile, each on one line, without comments."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line.strip() for line in code.replace("\\\n", " ").splitlines() if line.strip()]


def copied() -> list[str]:
    """Return what the image takes from the checkout."""
    lines = [line.split()[1:] for line in instructions(DOCKERFILE) if line.startswith("COPY") and "--from" not in line]
    return [source for words in lines for source in words[:-1]]


def metric_names() -> set[str]:
    """Return the name of every sample that /metrics can have."""
    metrics = Metrics()
    metrics.finished("remove-bg", Done((), (Stage("segment", 0.1, "cpu"),)), 0.1)
    metrics._requests.labels("GET", "/", "200").inc()
    metrics._request_seconds.labels("GET", "/").observe(0.1)
    worker = WorkerStatus("mask", 0, "idle", memory_bytes=1, gpu_bytes=1, node="one")
    runner = RunnerStatus(True, "", (LaneStatus("mask", 0, 0, 1, 16),), (worker,), (NodeStatus("one", 1, 0),))
    snapshot = Snapshot("1", runner, True, 0, 0, caches={("result", "hit"): 1}, jobs={"queued": 0})
    text = (metrics.exposition() + exposition(snapshot)).decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def used_metrics(text: str) -> set[str]:
    return set(re.findall(r"mattemesh_[a-z_]+", text))


def test_the_image_takes_only_what_the_checkout_has() -> None:
    for source in copied():
        assert (REPOSITORY / source).exists(), source


def test_what_the_image_takes_is_not_kept_out_by_the_ignore_file() -> None:
    rules = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in rules
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert set(copied()) == let_in


def test_images_are_named_with_a_version_and_none_is_latest() -> None:
    bases = [line.split()[1] for line in instructions(DOCKERFILE) if line.startswith("FROM")]
    images = bases + [row["image"] for row in COMPOSE["services"].values() if "build" not in row]
    for image in images:
        assert re.search(r":v?\d+", image), image
        assert "latest" not in image


def test_the_service_runs_as_an_unprivileged_user() -> None:
    users = [line.split()[1] for line in instructions(DOCKERFILE) if line.startswith("USER")]
    assert users and users[-1] not in ("root", "0")
    assert "DynamicUser=yes" in UNIT


def test_no_secret_is_in_any_file() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert not re.search(
                r"(?i)(api_key|password|secret|token)\s*[:=]\s*[\w-]{8,}\s*$", path.read_text(), re.M
            ), path


@pytest.mark.parametrize("start", ["CMD", "ExecStart="])
def test_the_service_is_started_by_a_command_that_exists(start: str, capsys: pytest.CaptureFixture[str]) -> None:
    if start == "CMD":
        words = json.loads([line for line in instructions(DOCKERFILE) if line.startswith("CMD")][-1][4:])
    else:
        words = next(line for line in UNIT.splitlines() if line.startswith(start)).split("=", 1)[1].split()
    assert words[0].endswith("python")
    assert words[1:3] == ["-m", "backend"]
    with pytest.raises(SystemExit) as help_was_shown:
        command_line([*words[3:], "--help"])
    assert help_was_shown.value.code == 0


def test_every_variable_that_is_set_is_a_setting() -> None:
    image = re.findall(r"([A-Z_]+)=\S+", next(line for line in instructions(DOCKERFILE) if line.startswith("ENV")))
    unit = re.findall(r"([A-Z_]+)=", "\n".join(re.findall(r"^Environment=(.*)$", UNIT, re.M)))
    example = re.findall(r"^([A-Z_]+)=", (DEPLOY / "env.example").read_text(), re.M)
    cuda = yaml.safe_load((DEPLOY / "docker-compose.cuda.yml").read_text())
    composed = [*COMPOSE["services"]["mattemesh"]["environment"], *cuda["services"]["mattemesh"]["environment"]]
    assert set(image + unit + example + composed) <= SETTINGS | FOREIGN


def test_what_compose_sets_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPOSE["services"]["mattemesh"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*)\}", r"\1", value))
    settings = Settings()
    assert settings.api_key is None  # empty means none, for the key as for everything else
    nginx = COMPOSE["services"]["nginx"]["networks"]["default"]["ipv4_address"]
    assert settings.trusted_proxies == (nginx,)
    # A page whose name was made to point at this machine comes by the published port, where nothing is a loopback.
    assert settings.allowed_hosts == ("localhost", "mattemesh")


def test_a_copy_of_the_example_keeps_strangers_names_out() -> None:
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / "env.example").read_text(), re.M))
    assert values["ALLOWED_HOSTS"] == "localhost,mattemesh"


def test_every_file_that_compose_mounts_is_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source


def test_only_the_front_server_is_reached_from_other_machines() -> None:
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", []):
            assert name == "nginx" or port.startswith("127.0.0.1:"), name


def test_a_stop_is_given_longer_than_the_service_takes() -> None:
    assert COMPOSE["services"]["mattemesh"]["stop_grace_period"] == "35s"
    assert "TimeoutStopSec=35" in UNIT
    assert Settings().drain_s + Settings().stop_deadline_s < 31


@pytest.mark.parametrize("name", ["grafana/dashboards/mattemesh.json", "alerts.yml"])
def test_every_metric_that_is_looked_at_exists(name: str) -> None:
    used = used_metrics((DEPLOY / name).read_text())
    assert used
    assert used <= metric_names()


def test_the_documentation_names_every_metric_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "running.md").read_text()
    plain = {re.sub(r"_(bucket|count|sum)$", "", name) for name in metric_names() if name.startswith("mattemesh")}
    assert used_metrics(text) == plain


def test_the_dashboard_has_no_two_panels_in_one_place_and_one_source() -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "mattemesh.json").read_text())
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())
    uid = source["datasources"][0]["uid"]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {uid}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_asks_where_compose_has_the_service() -> None:
    scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    host, port = scrape["static_configs"][0]["targets"][0].split(":")
    assert host in COMPOSE["services"]
    assert COMPOSE["services"][host]["ports"][0].endswith(f":{port}")
    assert scrape["authorization"]["credentials_file"] in COMPOSE["services"]["prometheus"]["command"][0]


def test_the_front_server_lets_through_what_the_service_takes() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    room = re.search(r"client_max_body_size (\d+)m", text)
    for_masks, for_meshes = (int(seconds) for seconds in re.findall(r"proxy_read_timeout (\d+)s", text))
    max_files = max(len(kind.files) for kind in KINDS.values())
    max_text = FORM_OVERHEAD_BYTES + max(kind.max_text_bytes for kind in KINDS.values())
    assert room and int(room[1]) * 2**20 >= max_files * Settings().max_upload_bytes + max_text
    assert for_masks > Settings().mask_deadline_s + Settings().queue_deadline_s
    assert for_meshes > Settings().mesh_deadline_s + Settings().queue_deadline_s
    for body in re.findall(r"return \d+ '(.*)';", text):
        assert json.loads(body)["code"]


def test_kubernetes_knows_the_settings_the_probes_and_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {part["kind"]: part["spec"] for part in yaml.safe_load_all(KUBERNETES.read_text())}
    pod = parts["Deployment"]["template"]["spec"]
    (container,) = pod["containers"]
    for row in container["env"]:
        assert row["name"] in SETTINGS or row["name"].startswith("AWS_")
        secret = "postgresql://a/b" if row["name"] == "JOBS_URL" else "a secret of some length"
        monkeypatch.setenv(row["name"], row.get("value", secret))
    settings = Settings()
    assert pod["terminationGracePeriodSeconds"] > settings.drain_s + settings.stop_deadline_s
    routes = {getattr(route, "path", "") for route in system.router.routes}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in routes
    labels = parts["Deployment"]["template"]["metadata"]["labels"]
    assert labels == parts["Service"]["selector"] == parts["Deployment"]["selector"]["matchLabels"]
    (trigger,) = parts["ScaledObject"]["triggers"]
    assert used_metrics(trigger["metadata"]["query"])
    assert used_metrics(trigger["metadata"]["query"]) <= metric_names()


def test_the_ray_cluster_has_a_head_without_work_and_ports_for_its_own_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ray, front, service, *policies = yaml.safe_load_all((KUBERNETES.parent / "raycluster.yaml").read_text())
    head, (workers,) = ray["spec"]["headGroupSpec"], ray["spec"]["workerGroupSpecs"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    for group in (head, workers):
        (container,) = group["template"]["spec"]["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
    pod = front["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for row in container["env"]:
        assert row["name"] in SETTINGS or row["name"].startswith("RAY_")
        monkeypatch.setenv(row["name"], row.get("value", "a secret of some length"))
    settings = Settings(cluster=f"{ray['metadata']['name']}-head-svc:6379")
    assert settings.cluster is not None and settings.cluster in container["args"][0]
    assert pod["terminationGracePeriodSeconds"] > settings.drain_s + settings.stop_deadline_s
    assert front["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    for policy in policies:
        peers = [peer["podSelector"]["matchLabels"] for peer in policy["spec"]["ingress"][0]["from"]]
        assert peers == [{"ray.io/cluster": ray["metadata"]["name"]}, service["spec"]["selector"]]
    assert [rule for policy in policies for rule in policy["spec"]["ingress"] if "from" not in rule] == [
        {"ports": [{"port": service["spec"]["ports"][0]["targetPort"]}]}
    ]


@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (503, 1)])
def test_the_health_check_tells_a_living_service_from_another(status: int, exit_status: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.handle_request, daemon=True).start()
    check = [sys.executable, "-I", str(DEPLOY / "alive.py"), str(server.server_port)]
    assert subprocess.run(check, timeout=60).returncode == exit_status
    server.server_close()
    if exit_status == 0:
        assert subprocess.run(check, timeout=60).returncode == 1  # nothing listens any more


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "mattemesh.service"
    unit.write_text(UNIT.replace("/opt/mattemesh/.venv/bin/python", sys.executable))
    said = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert not [line for line in said.stderr.splitlines() if "mattemesh.service" in line]
