"""Fetching from a server that misbehaves; nothing here leaves the machine."""

import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.contract.errors import InvalidParameterError, ModelUnavailableError, StorageFullError
from backend.contract.settings import REPOSITORY
from backend.weights.catalogue import CATALOGUE, Model, ModelFile
from backend.weights.download import DownloadConfig
from backend.weights.fetch import BackgroundFetch, Sources, fetch
from backend.weights.on_disk import model_state, require_model
from tests.helpers.waiting import until
from tests.helpers.weights_server import Misdeed, WeightsServer, answer, cut_after, serving

WEIGHTS = b"".join(hashlib.sha256(bytes([i % 251, i // 251])).digest() for i in range(20_000))  # 640 kB, no repeats
SETTINGS = b"layers: 12\n"
HASTY = DownloadConfig(attempts=3, backoff_s=0.01, connect_timeout_s=30.0, read_timeout_s=30.0, progress_bytes=100_000)
REVISION = "/stabilityai/TripoSR/resolve/abc"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving() as served:
        served.files = {"/u2netp.onnx": WEIGHTS}
        yield served


@pytest.fixture(autouse=True)
def small_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """`u2netp` with its digest, `guess` without one, `twofold` of two files on the hub: all small."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "MODEL_MIRROR", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    known = ModelFile("u2netp.onnx", "releases", "u2netp.onnx", len(WEIGHTS), sha256(WEIGHTS))
    guess = ModelFile("guess.onnx", "releases", "u2netp.onnx", 1000)
    pair = (
        ModelFile("twofold/config.yaml", "hub", f"{REVISION[1:]}/config.yaml", 10),
        ModelFile("twofold/model.ckpt", "hub", f"{REVISION[1:]}/model.ckpt", len(WEIGHTS), sha256(WEIGHTS)),
    )
    monkeypatch.setitem(CATALOGUE, "u2netp", replace(CATALOGUE["u2netp"], files=(known,)))
    monkeypatch.setitem(CATALOGUE, "guess", replace(CATALOGUE["u2netp"], name="guess", files=(guess,)))
    monkeypatch.setitem(CATALOGUE, "twofold", Model("twofold", "mesh", "MIT", True, pair, ""))


def get(server: WeightsServer, folder: Path, name: str = "u2netp", config: DownloadConfig = HASTY) -> None:
    fetch(name, folder, sources=Sources(server.address, server.address), config=config)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".stamp"))


def assert_whole(folder: Path) -> None:
    assert (folder / "u2netp.onnx").read_bytes() == WEIGHTS
    assert leftovers(folder) == ["u2netp.onnx", "u2netp.onnx.sha256"]
    assert (folder / "u2netp.onnx.sha256").read_text() == f"{sha256(WEIGHTS)}  u2netp.onnx\n"
    require_model("u2netp", folder)


def refused(server: WeightsServer, folder: Path, name: str = "u2netp") -> str:
    """Fetch, expect it to fail for good, and return the one sentence that says why."""
    with pytest.raises(ModelUnavailableError) as caught:
        get(server, folder, name)
    assert server.address not in caught.value.detail and str(folder) not in caught.value.detail
    assert caught.value.detail.count(".") == 1 and "\n" not in caught.value.detail
    assert not any((folder / place).exists() for place in ("u2netp.onnx", "guess.onnx"))
    return caught.value.detail


def test_a_model_arrives_whole_with_its_record(server: WeightsServer, tmp_path: Path) -> None:
    get(server, tmp_path / "made" / "on the way")
    assert_whole(tmp_path / "made" / "on the way")
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_progress_never_goes_back_and_ends_at_the_total(server: WeightsServer, tmp_path: Path) -> None:
    server.files |= {f"{REVISION}/config.yaml": SETTINGS, f"{REVISION}/model.ckpt": WEIGHTS}
    seen: list[tuple[int, int]] = []
    fetch(
        "twofold",
        tmp_path,
        lambda done, total: seen.append((done, total)),
        sources=Sources(server.address, server.address),
        config=HASTY,
    )
    done = [pair[0] for pair in seen]
    assert done == sorted(done) and seen[-1] == (len(SETTINGS) + len(WEIGHTS),) * 2
    assert len(seen) > 5


def test_what_is_there_is_not_fetched_again(server: WeightsServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.requests) == 1


def test_a_spoiled_file_is_replaced(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(WEIGHTS[:-1] + b"?")
    get(server, tmp_path)
    assert_whole(tmp_path)


def test_a_download_that_was_cut_off_resumes(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [cut_after(300_000), cut_after(200_000)]
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges() == ["", "bytes=300000-", "bytes=500000-"]
    assert [headers.get("If-Range", "") for _, headers in server.requests] == ["", '"v1"', '"v1"']


def test_attempts_that_bring_enough_are_not_counted(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [cut_after(120_000)] * 5
    get(server, tmp_path)
    assert_whole(tmp_path)


def test_attempts_that_bring_too_little_are_bounded(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [cut_after(10)] * 99
    assert "cut off" in refused(server, tmp_path)
    assert len(server.requests) == HASTY.attempts


def test_a_later_fetch_resumes_an_earlier_one(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [cut_after(300_000), *[answer(503)] * 3]
    refused(server, tmp_path)
    assert model_state(CATALOGUE["u2netp"], tmp_path) == "partial"
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges()[-1] == "bytes=300000-"


def test_a_server_that_ignores_ranges_is_read_from_the_start(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [cut_after(300_000), answer(200, WEIGHTS, ETag='"v1"')]
    get(server, tmp_path)
    assert_whole(tmp_path)


def test_a_file_that_changed_meanwhile_is_not_spliced(server: WeightsServer, tmp_path: Path) -> None:
    old = bytes(len(WEIGHTS))
    server.files["/u2netp.onnx"] = old
    server.misdeeds = [cut_after(300_000, etag='"old"')]
    server.etags["/u2netp.onnx"] = '"new"'

    def renew(*_: object) -> bool:
        server.files["/u2netp.onnx"] = WEIGHTS
        return False

    server.misdeeds.append(renew)
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.requests[1][1]["If-Range"] == '"old"'


def test_a_server_that_splices_two_versions_is_found_out(server: WeightsServer, tmp_path: Path) -> None:
    """It answers 206 from another version, under the old name."""
    server.misdeeds = [cut_after(300_000), lambda handler, body: cut_after(len(body))(handler, bytes(len(body)))]
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges() == ["", "bytes=300000-", ""]


def test_a_206_under_another_name_is_not_added(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [cut_after(300_000), cut_after(10**7, etag='"v2"')]
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges() == ["", "bytes=300000-", ""]


def test_another_range_than_asked_for_is_not_added(server: WeightsServer, tmp_path: Path) -> None:
    span = f"bytes 0-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"
    server.misdeeds = [cut_after(300_000), answer(206, WEIGHTS, Content_Range=span, ETag='"v1"')]
    get(server, tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_without_a_strong_name_for_the_version_it_begins_again(
    etag: str, server: WeightsServer, tmp_path: Path
) -> None:
    server.misdeeds = [cut_after(300_000, etag=etag)]
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges() == ["", ""]


def test_a_part_longer_than_the_file_begins_again(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx.part").write_bytes(WEIGHTS + b"more")
    (tmp_path / "u2netp.onnx.part.etag").write_text('"v1"')
    get(server, tmp_path)
    assert_whole(tmp_path)


def test_a_whole_part_only_needs_its_name(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx.part").write_bytes(WEIGHTS)
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.requests == []


def test_a_part_of_the_right_length_and_wrong_bytes_begins_again(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx.part").write_bytes(bytes(len(WEIGHTS)))
    get(server, tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_fault_is_tried_again(status: int, server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [answer(status, b"later", Content_Type="text/html")]
    get(server, tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize(("asked", "kept"), [("7", 7.0), ("86400", 30.0)])
def test_retry_after_is_waited_for_up_to_a_limit(
    asked: str, kept: float, server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("backend.weights.download.time", SimpleNamespace(sleep=waits.append))
    server.misdeeds = [answer(503, Retry_After=asked)]
    get(server, tmp_path, config=replace(HASTY, max_wait_s=30.0))
    assert waits == [kept]
    assert_whole(tmp_path)


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "-1", "1e9", "NaN", "soon"])
def test_a_number_that_is_none_in_an_answers_head_is_ignored(
    number: str, server: WeightsServer, tmp_path: Path
) -> None:
    span = f"bytes 300000-{number}/{number}"
    server.misdeeds = [
        answer(503, Retry_After=number),
        cut_after(300_000),
        answer(206, WEIGHTS[300_000:], Content_Range=span, ETag='"v1"'),
    ]
    get(server, tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_lasting_fault_is_not_tried_again(status: int, server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [answer(status, b"<html>no</html>")]
    assert str(status) in refused(server, tmp_path)
    assert len(server.requests) == 1 and leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["u2netp", "guess"])
def test_a_web_page_is_refused(name: str, server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [answer(200, b"<html>log in</html>", Content_Type="text/html; charset=utf-8")] * 3
    assert "web page" in refused(server, tmp_path, name)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("body", [WEIGHTS[:-1], WEIGHTS + b"x", b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_of_another_length_is_refused_before_it_is_read(
    body: bytes, server: WeightsServer, tmp_path: Path
) -> None:
    server.files["/u2netp.onnx"] = body
    assert f"{len(body)} bytes instead of {len(WEIGHTS)}" in refused(server, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_file_of_the_right_length_and_wrong_bytes_is_refused_and_removed(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.files["/u2netp.onnx"] = WEIGHTS[:-1] + b"?"
    assert "not the published file" in refused(server, tmp_path)
    assert leftovers(tmp_path) == [] and len(server.requests) == 1


def test_an_empty_file_is_never_a_model(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/u2netp.onnx"] = b""
    assert "nothing" in refused(server, tmp_path, "guess")
    assert leftovers(tmp_path) == []


def chunked(body: bytes) -> Misdeed:
    def misdeed(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.send_header("ETag", '"v1"')
        handler.end_headers()  # no length: the body ends where the connection does
        handler.wfile.write(body)
        handler.close_connection = True
        return True

    return misdeed


def test_a_body_without_a_length_is_taken_when_its_digest_is_right(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [chunked(WEIGHTS)]
    get(server, tmp_path)
    assert_whole(tmp_path)


def test_a_body_without_a_length_is_stopped_where_the_file_should_end(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [chunked(WEIGHTS + bytes(100_000))]
    assert "more bytes" in refused(server, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_body_without_an_end_is_not_read_on(server: WeightsServer, tmp_path: Path) -> None:
    sent = [0]

    def endless(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        with suppress(OSError):  # the client hangs up, as it should
            while sent[0] < 100_000_000:
                sent[0] += handler.wfile.write(bytes(100_000))
        return True

    server.misdeeds = [endless]
    assert "more bytes" in refused(server, tmp_path)
    assert sent[0] < 50_000_000


def test_a_body_without_a_length_that_ends_early_is_resumed(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [chunked(WEIGHTS[:300_000])]
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges() == ["", "bytes=300000-"]


def test_a_body_of_unknown_length_is_bounded(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [chunked(WEIGHTS)]
    with pytest.raises(ModelUnavailableError, match="more bytes"):
        get(server, tmp_path, "guess", replace(HASTY, max_bytes=1000))
    assert leftovers(tmp_path) == []


def test_a_compressed_answer_is_refused(server: WeightsServer, tmp_path: Path) -> None:
    server.headers = {"Content_Encoding": "gzip"}
    assert "encoding" in refused(server, tmp_path)


def test_the_hubs_own_digest_is_checked_where_none_was_known(server: WeightsServer, tmp_path: Path) -> None:
    server.headers = {"X_Linked_Etag": f'"{sha256(b"something else")}"'}
    assert "not the published file" in refused(server, tmp_path, "guess")
    server.headers = {"X_Linked_Etag": f'"{sha256(WEIGHTS)}"'}
    get(server, tmp_path, "guess")
    assert (tmp_path / "guess.onnx.sha256").read_text().startswith(sha256(WEIGHTS))


def test_the_hubs_digest_is_read_from_the_redirect(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/elsewhere"] = WEIGHTS
    moved = answer(302, Location="/elsewhere", X_Linked_Etag=f'"{sha256(b"something else")}"')
    server.misdeeds = [moved]
    assert "not the published file" in refused(server, tmp_path, "guess")


def test_a_range_survives_a_redirect(server: WeightsServer, tmp_path: Path) -> None:
    server.files["/elsewhere"] = WEIGHTS
    moved = answer(302, Location="/elsewhere")
    server.misdeeds = [moved, cut_after(300_000), moved]
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges() == ["", "", "bytes=300000-", "bytes=300000-"]


def test_a_ring_of_redirects_ends(server: WeightsServer, tmp_path: Path) -> None:
    server.misdeeds = [answer(302, Location="/u2netp.onnx")] * 99
    assert "leads nowhere" in refused(server, tmp_path)


def test_a_machine_without_network_gets_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        fetch("u2netp", tmp_path, sources=Sources(address, address), config=HASTY)


@pytest.mark.parametrize("address", ["no address", "ftp://127.0.0.1", "http://[", ""])
def test_a_mirror_that_is_no_address_gets_one_sentence(address: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError):
        fetch("u2netp", tmp_path, sources=Sources(address, address), config=HASTY)


def test_a_silent_server_is_given_up(server: WeightsServer, tmp_path: Path) -> None:
    given_up = threading.Event()

    def silent(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(WEIGHTS)))
        handler.end_headers()
        handler.wfile.flush()
        given_up.wait(60.0)
        handler.close_connection = True
        return True

    server.misdeeds = [silent]
    with pytest.raises(ModelUnavailableError, match="in time"):
        get(server, tmp_path, config=replace(HASTY, attempts=1, read_timeout_s=0.2))
    given_up.set()


def test_a_disk_without_room_is_an_error_before_anything_is_read(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageFullError):
        get(server, tmp_path, config=replace(HASTY, spare_bytes=1 << 60))
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_is_an_error_and_freed(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError):
        get(server, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_an_error(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelUnavailableError, match="cannot be written"):
        get(server, tmp_path / "file")
    (tmp_path / "twofold").write_bytes(b"")
    with pytest.raises(ModelUnavailableError, match="cannot be written"):
        get(server, tmp_path, "twofold")


def test_the_callers_progress_may_stop_it_and_what_came_is_kept(server: WeightsServer, tmp_path: Path) -> None:
    class EnoughError(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done > 100_000:
            raise EnoughError

    with pytest.raises(EnoughError):
        fetch("u2netp", tmp_path, stop, sources=Sources(server.address, server.address), config=HASTY)
    assert (tmp_path / "u2netp.onnx.part").stat().st_size > 100_000
    get(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges()[-1].startswith("bytes=")


def test_only_names_of_the_catalogue_are_fetched(server: WeightsServer, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError):
        get(server, tmp_path, "../../etc/passwd")
    assert server.requests == []


def test_a_non_commercial_model_is_not_fetched_without_permission(server: WeightsServer, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="ALLOW_NONCOMMERCIAL=1"):
        get(server, tmp_path, "bria-rmbg")
    assert server.requests == []


def test_an_own_model_is_not_looked_for_on_any_server(server: WeightsServer, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[shoes]\nfile = "shoes.onnx"\ninput_size = 64\nmean = [0, 0, 0]\nstd = [1, 1, 1]\nactivation = "none"\n'
    )
    with pytest.raises(ModelUnavailableError, match="checkpoints folder"):
        get(server, tmp_path, "shoes")
    assert server.requests == []


def test_mirrors_are_taken_from_the_environment() -> None:
    sources = Sources.from_environment({"MODEL_MIRROR": "http://a/b/", "HF_ENDPOINT": "http://c"})
    assert sources.url(CATALOGUE["u2net"].files[0]) == "http://a/b/u2net.onnx"
    assert sources.url(CATALOGUE["triposr"].files[0]).startswith("http://c/stabilityai/TripoSR/resolve/")
    assert Sources.from_environment({}) == Sources() and Sources.from_environment({"HF_ENDPOINT": ""}) == Sources()


def test_threads_at_once_make_one_download(server: WeightsServer, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            get(server, tmp_path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(server.requests) == 1
    assert_whole(tmp_path)


def test_processes_at_once_make_one_download(server: WeightsServer, tmp_path: Path) -> None:
    """The first is held up by the server until the others have begun to wait."""
    began = threading.Event()

    def slow(*_: object) -> bool:
        began.wait(60.0)
        return False

    server.misdeeds = [slow]
    program = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from backend.weights.catalogue import CATALOGUE, ModelFile; from backend.weights.fetch import Sources, fetch\n"
        "folder, address, size, digest = sys.argv[1:]\n"
        "file = ModelFile('u2netp.onnx', 'releases', 'u2netp.onnx', int(size), digest)\n"
        "CATALOGUE['u2netp'] = replace(CATALOGUE['u2netp'], files=(file,))\n"
        "seen = []\n"
        "def progress(done, total):\n"
        "    if not seen: print('began', flush=True)\n"
        "    seen.append(done)\n"
        "fetch('u2netp', Path(folder), progress, sources=Sources(address, address))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), server.address, str(len(WEIGHTS)), sha256(WEIGHTS)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for _ in range(2)]
    ready = [threading.Thread(target=process.stdout.readline) for process in processes if process.stdout]
    for thread in ready:
        thread.start()
    until(lambda: sum(thread.is_alive() for thread in ready) == 1)  # one waits for the lock, the other for the server
    began.set()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(server.requests) == 1
    assert_whole(tmp_path)


def wait_for(background: BackgroundFetch, *states: str) -> None:
    until(lambda: [one.state for one in background.status().values()] == list(states))


def test_the_background_fetch_reports_progress_and_calls_back_when_a_model_is_whole(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.files |= {f"{REVISION}/config.yaml": SETTINGS, f"{REVISION}/model.ckpt": WEIGHTS}
    arrived: list[tuple[str, str]] = []

    def took_in(name: str) -> None:
        arrived.append((name, model_state(CATALOGUE[name], tmp_path)))

    sources = Sources(server.address, server.address)
    background = BackgroundFetch(tmp_path, took_in, ("u2netp", "twofold"), sources, HASTY)
    assert [one.state for one in background.status().values()] == ["waiting", "waiting"]
    background.start()
    wait_for(background, "complete", "complete")
    assert arrived == [("u2netp", "complete"), ("twofold", "complete")]
    assert all(one.bytes_done == one.bytes_total and one.error is None for one in background.status().values())


def test_one_failure_shows_and_does_not_stop_the_others(server: WeightsServer, tmp_path: Path) -> None:
    arrived: list[str] = []
    sources = Sources(server.address, server.address)
    background = BackgroundFetch(tmp_path, arrived.append, ("twofold", "u2netp"), sources, HASTY)
    background.start()
    wait_for(background, "failed", "complete")
    assert arrived == ["u2netp"]
    assert "404" in str(background.status()["twofold"].error)


def test_what_failed_is_tried_again_while_the_service_runs(server: WeightsServer, tmp_path: Path) -> None:
    arrived: list[str] = []
    sources = Sources(server.address, server.address)
    server.files.clear()
    background = BackgroundFetch(tmp_path, arrived.append, ("twofold", "u2netp"), sources, HASTY, pause_s=0.01)
    background.start()
    until(lambda: len(server.requests) >= 6)  # three passes
    assert {one.state for one in background.status().values()} <= {"fetching", "failed"}
    server.files = {
        "/u2netp.onnx": WEIGHTS,
        f"{REVISION}/config.yaml": SETTINGS,
        f"{REVISION}/model.ckpt": WEIGHTS,
    }
    wait_for(background, "complete", "complete")
    assert sorted(arrived) == ["twofold", "u2netp"]
    assert all(one.error is None for one in background.status().values())


def test_a_stop_ends_the_wait_for_the_next_try(server: WeightsServer, tmp_path: Path) -> None:
    server.files.clear()
    background = BackgroundFetch(tmp_path, lambda _: None, ("u2netp",), Sources(server.address), HASTY, pause_s=3600.0)
    background.start()
    wait_for(background, "failed")
    background.stop(timeout_s=60.0)
    assert not background._thread.is_alive()


def test_the_background_fetch_leaves_alone_what_is_there(server: WeightsServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    arrived: list[str] = []
    background = BackgroundFetch(tmp_path, arrived.append, ("u2netp",), Sources(server.address, server.address), HASTY)
    background.start()
    wait_for(background, "complete")
    assert arrived == [] and len(server.requests) == 1


def test_the_background_fetch_can_be_stopped(server: WeightsServer, tmp_path: Path) -> None:
    hold = threading.Event()

    def slow(*_: object) -> bool:
        hold.wait(60.0)
        return False

    server.misdeeds = [slow]
    sources = Sources(server.address, server.address)
    background = BackgroundFetch(tmp_path, lambda name: None, ("u2netp", "guess"), sources, HASTY)
    background.start()
    wait_for(background, "fetching", "waiting")
    threading.Timer(0.1, hold.set).start()
    background.stop()
    assert [one.state for one in background.status().values()] == ["stopped", "stopped"]
    assert not (tmp_path / "u2netp.onnx").exists()


def test_a_model_is_fetched_on_request_and_one_that_failed_at_once_again(server: WeightsServer, tmp_path: Path) -> None:
    sources = Sources(server.address, server.address)
    background = BackgroundFetch(tmp_path, lambda _: None, (), sources, HASTY, pause_s=3600.0)
    assert background.status() == {}
    assert background.request("u2netp").state in ("waiting", "fetching", "complete")
    wait_for(background, "complete")
    background.request("twofold")  # the thread had ended: nothing was left
    wait_for(background, "complete", "failed")
    server.files |= {f"{REVISION}/config.yaml": SETTINGS, f"{REVISION}/model.ckpt": WEIGHTS}
    background.request("twofold")  # long before its pause is over
    wait_for(background, "complete", "complete")
    background.stop()


def test_a_request_for_what_cannot_be_fetched_is_refused(server: WeightsServer, tmp_path: Path) -> None:
    background = BackgroundFetch(tmp_path, lambda _: None, (), Sources(server.address), HASTY)
    with pytest.raises(InvalidParameterError):
        background.request("../etc/passwd")
    with pytest.raises(ModelUnavailableError):
        background.request("bria-rmbg")
    assert background.status() == {} and server.requests == []


def test_stopping_before_the_start_is_harmless(tmp_path: Path) -> None:
    background = BackgroundFetch(tmp_path, lambda name: None, ("u2netp",))
    background.stop()
    assert background.status()["u2netp"].bytes_done == 0
    assert list(tmp_path.iterdir()) == []


def test_importing_the_fetching_code_loads_no_client() -> None:
    program = "import sys, backend.weights.fetch, backend.engines.load_segmenter; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout.split()
    assert not {"httpx", "onnxruntime", "huggingface_hub", "rembg", "torch"} & set(loaded)


def test_a_file_published_by_its_md5_alone_is_held_to_it(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ModelFile("some.onnx", "releases", "some.onnx", 1000, md5=hashlib.md5(WEIGHTS).hexdigest())
    monkeypatch.setitem(CATALOGUE, "some", replace(CATALOGUE["u2netp"], name="some", files=(file,)))
    server.files["/some.onnx"] = WEIGHTS[::-1]
    with pytest.raises(ModelUnavailableError, match="not the published file"):
        get(server, tmp_path, "some")
    server.files["/some.onnx"] = WEIGHTS
    get(server, tmp_path, "some")
    require_model("some", tmp_path)
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    (by_hand / "some.onnx").write_bytes(WEIGHTS)
    require_model("some", by_hand)
    assert (by_hand / "some.onnx.sha256").read_text().startswith(sha256(WEIGHTS))
    (by_hand / "some.onnx").write_bytes(WEIGHTS + b"more")
    with pytest.raises(ModelUnavailableError, match="not the published files"):
        require_model("some", by_hand)
    (by_hand / "some.onnx.sha256").unlink()
    with pytest.raises(ModelUnavailableError, match="not the published files"):
        require_model("some", by_hand)


def test_a_file_known_by_the_beginning_of_its_digest_is_held_to_it(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ModelFile("some.pth", "torch", "some.pth", 1000, sha256_start=sha256(WEIGHTS)[:8])
    monkeypatch.setitem(CATALOGUE, "some", replace(CATALOGUE["maskrcnn"], name="some", files=(file,)))
    server.files["/some.pth"] = WEIGHTS
    sources = Sources("http://nowhere.invalid", "http://nowhere.invalid", server.address)
    fetch("some", tmp_path, sources=sources, config=HASTY)
    require_model("some", tmp_path)
    (tmp_path / "some.pth").unlink()
    server.files["/some.pth"] = WEIGHTS[::-1]
    with pytest.raises(ModelUnavailableError, match="not the published file"):
        fetch("some", tmp_path, sources=sources, config=HASTY)
    assert not (tmp_path / "some.pth").exists()
    (tmp_path / "some.pth").write_bytes(WEIGHTS[::-1])
    (tmp_path / "some.pth.sha256").unlink(missing_ok=True)
    with pytest.raises(ModelUnavailableError, match="not the published files"):
        require_model("some", tmp_path)
