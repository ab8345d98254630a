import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tsr import CheckpointError, TripoSR
from tsr.checkpoint import copy_of, read_weights, weights_file


@pytest.fixture
def checkpoint(small, tmp_path) -> Path:
    path = tmp_path / "model.ckpt"
    torch.save(small.state, path)
    return path


@pytest.fixture
def load(small):
    def load(path: Path, digest: str = "of the checkpoint") -> TripoSR:
        return TripoSR.from_pretrained(path, device="cpu", precision="float32", digest=digest, config=small.config)

    return load


def flip_a_byte(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    path.write_bytes(content)


def assert_same_weights(one: TripoSR, other: TripoSR) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_checkpoint_loads_exactly_and_leaves_a_safetensors_copy(small, checkpoint, load):
    assert_same_weights(load(checkpoint), small.model)
    assert {path.name for path in checkpoint.parent.iterdir()} == {"model.ckpt", "model.safetensors"}
    assert copy_of(checkpoint, "of the checkpoint") == checkpoint.with_suffix(".safetensors")
    assert copy_of(checkpoint, "of another") is None


def test_without_a_digest_no_copy_is_kept(small, checkpoint, load):
    assert_same_weights(load(checkpoint, digest=""), small.model)
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_the_copy_is_what_later_loads_read(small, checkpoint, load, monkeypatch):
    load(checkpoint)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the checkpoint was read again"))
    assert_same_weights(load(checkpoint), small.model)
    assert_same_weights(load(checkpoint.parent), small.model)


def test_a_folder_is_as_good_as_the_file_in_it(small, checkpoint, load):
    assert_same_weights(load(checkpoint.parent), small.model)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_checkpoint_with_a_flipped_bit_is_refused_at_first_sight(checkpoint, load, place):
    flip_a_byte(checkpoint, place)
    with pytest.raises(CheckpointError, match=r"model\.ckpt"):
        load(checkpoint)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["model.ckpt"]


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_half_a_file_is_refused(checkpoint, load, name, share):
    load(checkpoint)
    path = checkpoint.parent / "half" / name
    path.parent.mkdir()
    content = (checkpoint.parent / name).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=name):
        load(path)


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors"])
def test_a_web_page_is_refused(tmp_path, load, name):
    path = tmp_path / name
    path.write_text("<!DOCTYPE html><html><body>Sign in to this network</body></html>")
    with pytest.raises(CheckpointError, match=name):
        load(path)
    assert list(tmp_path.iterdir()) == [path]


class Trap:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.victim,)


def test_code_in_a_checkpoint_is_never_executed(tmp_path, load):
    sprung = tmp_path / "sprung"
    torch.save({"weights": Trap(sprung)}, tmp_path / "zipped.ckpt")
    (tmp_path / "bare.ckpt").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("zipped.ckpt", "bare.ckpt"):
        with pytest.raises(CheckpointError, match=name):
            load(tmp_path / name)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"weights": 3}, {3: torch.zeros(1)}, torch.zeros(1)])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, load, content):
    torch.save(content, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="named tensors"):
        load(tmp_path / "model.ckpt")


def test_an_archive_of_something_else_is_refused(tmp_path, load):
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w") as archive:
        archive.writestr("readme", "not a model")
    with pytest.raises(CheckpointError, match="plain tensors"):
        load(tmp_path / "model.ckpt")


def test_shapes_are_judged_before_a_small_file_becomes_a_large_copy(small, tmp_path, load):
    vast = torch.zeros(1).expand(1 << 40)  # four bytes in the file, four terabytes if copied
    torch.save({**small.state, "backbone.norm.bias": vast}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"another shape.*backbone\.norm\.bias"):
        load(tmp_path / "model.ckpt")


def test_a_safetensors_of_another_model_is_refused(tmp_path, load):
    save_file({"weights": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="missing"):
        load(tmp_path / "model.safetensors")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_safetensors_that_was_there_before_is_left_alone(small, checkpoint, load):
    foreign = checkpoint.with_suffix(".safetensors")
    save_file({"weights": torch.zeros(3)}, foreign)
    before = foreign.read_bytes()
    assert_same_weights(load(checkpoint), small.model)
    assert foreign.read_bytes() == before


def test_a_copy_of_older_weights_is_made_again(small, checkpoint, load):
    load(checkpoint)
    newer = {name: tensor + 1 for name, tensor in small.state.items()}
    torch.save(newer, checkpoint)
    for _ in range(2):
        assert torch.equal(load(checkpoint, digest="of the newer").field.out.bias, small.model.field.out.bias + 1)


def test_half_precision_weights_are_taken(small, tmp_path, load):
    torch.save({name: tensor.half() for name, tensor in small.state.items()}, tmp_path / "model.ckpt")
    torch.testing.assert_close(
        load(tmp_path / "model.ckpt").field.out.bias, small.model.field.out.bias, atol=1e-3, rtol=0
    )


def test_tensors_come_one_after_another_whatever_the_size_of_the_pieces(small, checkpoint, load, monkeypatch):
    load(checkpoint)
    monkeypatch.setattr("tsr.checkpoint.BYTES_AT_ONCE", 1)
    weights = read_weights(checkpoint.with_suffix(".safetensors"), lambda _: None)
    read = dict(weights.tensors())
    assert read.keys() == small.state.keys()
    assert all(torch.equal(read[name], small.state[name]) for name in read)


def test_a_full_disk_costs_the_copy_and_not_the_load(small, checkpoint, load, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tsr.checkpoint.save_file", full)
    assert_same_weights(load(checkpoint), small.model)
    assert not list(checkpoint.parent.glob("*.safetensors*"))


def test_in_a_folder_the_safetensors_comes_first(tmp_path):
    for name in ("model.ckpt", "model.safetensors"):
        (tmp_path / name).touch()
    assert weights_file(tmp_path).name == "model.safetensors"


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="neither"):
        weights_file(tmp_path)
    with pytest.raises(CheckpointError, match="no file model"):
        weights_file(tmp_path / "model")


def test_a_moved_folder_still_loads(small, checkpoint, load):
    load(checkpoint)
    home = checkpoint.parent / "elsewhere"
    home.mkdir()
    for path in checkpoint.parent.glob("model.*"):
        shutil.move(path, home / path.name)
    assert_same_weights(load(home), small.model)
