from types import SimpleNamespace

import pytest
from huggingface_hub.errors import HTTPError

from tsr import CheckpointError
from tsr.download import find_weights
from tsr.fingerprint import record_of, sha256_of


@pytest.fixture
def hub(monkeypatch):
    """A hub with one file; `broken` or `etag` change what it does."""
    state = SimpleNamespace(etag='x"1', broken=None, asked=[])

    def announce(url):
        if state.broken:
            raise state.broken
        return SimpleNamespace(etag=state.etag)

    def download(repo_id, filename, local_dir):
        state.asked.append((repo_id, filename))
        local_dir.mkdir(parents=True)
        (local_dir / filename).write_bytes(b"weights")
        return str(local_dir / filename)

    monkeypatch.setattr("tsr.download.get_hf_file_metadata", announce)
    monkeypatch.setattr("tsr.download.hf_hub_download", download)
    return state


def test_a_repository_is_downloaded_once_into_its_own_folder_and_fingerprinted(hub, tmp_path):
    path = find_weights("someone/Model-1.5", tmp_path)
    assert path == tmp_path / "Model-1.5" / "model.ckpt"
    assert record_of(path).read_text().startswith(sha256_of(path))
    assert find_weights("someone/Model-1.5", tmp_path) == path
    assert hub.asked == [("someone/Model-1.5", "model.ckpt")]


def test_what_did_not_arrive_as_announced_is_thrown_away(hub, tmp_path):
    hub.etag = "0" * 64
    with pytest.raises(CheckpointError, match="announced"):
        find_weights("someone/Model", tmp_path)
    assert not list(tmp_path.rglob("model.ckpt*"))


@pytest.mark.parametrize("reason", [HTTPError("no route"), OSError("no disk"), ValueError("no such name")])
def test_without_a_network_the_reason_is_one_sentence(hub, tmp_path, reason):
    hub.broken = reason
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        find_weights("someone/Model", tmp_path)


@pytest.mark.parametrize("source", ["model.ckpt", "some/model.ckpt", "/nowhere/model", "a/b/c", "../x", "no-slash", ""])
def test_a_file_that_is_not_there_is_not_looked_for_on_the_hub(hub, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError):
        find_weights(source, tmp_path)
    assert hub.asked == []


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="neither"):
        find_weights(tmp_path, tmp_path)


def test_in_a_folder_the_safetensors_comes_first(tmp_path):
    for name in ("model.ckpt", "model.safetensors"):
        (tmp_path / name).touch()
    assert find_weights(tmp_path, tmp_path).name == "model.safetensors"
