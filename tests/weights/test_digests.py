"""Files of weights are read once while they stay untouched, whichever process asks, and held to what was recorded."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from backend.contract.errors import ModelUnavailableError
from backend.contract.settings import REPOSITORY, Settings
from backend.engines.registry import Engines
from backend.weights import digests
from backend.weights.catalogue import CATALOGUE, Model, ModelFile
from backend.weights.digests import digest_of, record_digest, recorded_digest
from backend.weights.on_disk import check_recorded, verify
from tests.helpers.known_object import known_state
from tests.helpers.published_config import published_config
from tests.tsr.conftest import GOLDEN
from tsr import TripoSR

Reads = list[str]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def as_another_process() -> None:
    """Forget what this process has read."""
    digests._known.clear()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The names of the files that were read for a digest."""
    names: Reads = []
    original = hashlib.file_digest

    def count(stream: object, algorithm: str) -> object:
        names.append(Path(stream.name).name)  # type: ignore[attr-defined]
        return original(stream, algorithm)  # type: ignore[call-overload]

    monkeypatch.setattr(hashlib, "file_digest", count)
    return names


@pytest.fixture
def triposr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Engines]:
    """Engines whose TripoSR is the small golden network, whole in the checkpoints folder."""
    import json

    published = json.loads((GOLDEN / "tsr_small.json").read_text())
    path = tmp_path / "triposr" / "model.ckpt"
    path.parent.mkdir()
    torch.save({name: torch.as_tensor(value) for name, value in known_state(published["state"]).items()}, path)
    file = ModelFile("triposr/model.ckpt", "hub", "x", path.stat().st_size, sha256(path.read_bytes()))
    monkeypatch.setitem(CATALOGUE, "triposr", Model("triposr", "mesh", "MIT", True, (file,), ""))
    small = published_config(published["config"], published["vit"])
    monkeypatch.setattr(TripoSR, "from_pretrained", partial(TripoSR.from_pretrained, config=small))
    return lambda: Engines(Settings(checkpoints_dir=tmp_path, device="cpu"))


def test_a_file_is_read_once_while_it_stays_untouched(tmp_path: Path, reads: Reads) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"first")
    assert digest_of(path) == digest_of(path) == sha256(b"first")
    as_another_process()
    assert digest_of(path) == sha256(b"first")
    assert len(reads) == 1
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    assert digest_of(path) == sha256(b"other") and len(reads) == 2


def test_another_process_finds_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"first")
    digest_of(path)
    program = (
        "import hashlib, sys; from pathlib import Path; from backend.weights.digests import digest_of\n"
        "hashlib.file_digest = None\n"
        "print(digest_of(Path(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
    assert found.strip() == sha256(b"first")


@pytest.mark.parametrize("stamp", ["", "{}", "[]", '{"stamp": 3}', '{"stamp": [1, 2, 3], "sha256": "no"}', "\xff"])
def test_a_stamp_that_does_not_fit_costs_a_reading(stamp: str, tmp_path: Path, reads: Reads) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"first")
    path.with_name("weights.bin.stamp").write_text(stamp, encoding="latin-1")
    assert digest_of(path) == sha256(b"first") and len(reads) == 1


def test_a_folder_that_cannot_be_written_costs_a_reading_a_process(
    tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    path = tmp_path / "weights.bin"
    path.write_bytes(b"first")
    monkeypatch.setattr("backend.weights.digests.write_atomically", full)
    for _ in range(2):
        assert digest_of(path) == digest_of(path) == sha256(b"first")
        as_another_process()
    assert len(reads) == 2


def test_mesh_workers_read_the_weights_once_between_them(triposr: Callable[[], Engines], reads: Reads) -> None:
    for _ in range(3):
        assert triposr().mesh_engine("triposr").name == "triposr"
        as_another_process()
    assert sorted(reads) == ["model.ckpt", "model.safetensors"]


def test_a_damaged_copy_is_found_by_verify_and_made_again(triposr: Callable[[], Engines], tmp_path: Path) -> None:
    triposr().mesh_engine("triposr")
    copy = tmp_path / "triposr" / "model.safetensors"
    good, times = copy.read_bytes(), copy.stat()
    with copy.open("r+b") as stream:
        stream.seek(-100, os.SEEK_END)
        stream.write(b"!")
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert verify(CATALOGUE["triposr"], tmp_path) == "broken"
    assert not copy.exists() and verify(CATALOGUE["triposr"], tmp_path) == "complete"
    triposr().mesh_engine("triposr")
    assert copy.read_bytes() == good


def test_a_copy_that_changed_is_made_again_at_the_next_load(triposr: Callable[[], Engines], tmp_path: Path) -> None:
    triposr().mesh_engine("triposr")
    copy = tmp_path / "triposr" / "model.safetensors"
    good = copy.read_bytes()
    copy.write_bytes(good[:-4] + b"!!!!")
    triposr().mesh_engine("triposr")
    assert copy.read_bytes() == good


def test_own_weights_are_recorded_at_the_first_good_load_and_held_to_that(
    triposr: Callable[[], Engines], tmp_path: Path
) -> None:
    own = (tmp_path / "triposr" / "model.ckpt").rename(tmp_path / "own.ckpt")
    settings = Settings(checkpoints_dir=tmp_path, device="cpu", triposr_weights=own)
    Engines(settings).mesh_engine("triposr")
    assert recorded_digest(own) == sha256(own.read_bytes())
    with own.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(ModelUnavailableError, match=r"own\.ckpt is not the file it was"):
        Engines(settings).mesh_engine("triposr")


def test_a_record_is_written_as_sha256sum_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights")
    record_digest(path, sha256(b"weights"))
    assert path.with_name("weights.bin.sha256").read_text() == f"{sha256(b'weights')}  weights.bin\n"
    path.with_name("weights.bin.sha256").write_text(sha256(b"weights").upper())
    assert check_recorded(path, "own") == sha256(b"weights")


@pytest.mark.parametrize("record", ["", "abc", "g" * 64, "a" * 65])
def test_a_record_that_is_no_sha256_does_not_pass_for_one(record: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.with_name("weights.bin.sha256").write_text(record)
    assert recorded_digest(path) is None
