"""The handler of the service's workers: warm engines that answer in a form the service can read."""

from pathlib import Path

import pytest

from backend.contract.errors import StorageFailedError, StorageFullError
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.spool import INLINE_BYTES, spool_path
from backend.contract.work import Done, File, Form, Work
from backend.weights.catalogue import AUTO_SEGMENTERS
from backend.workers.child import _park, _plain
from backend.workers.handler import load
from backend.workers.messages import LENGTH, Facts, Failed, Finished, Handler, pack, unpack_answer
from tests.helpers.drawn import encoded, toy
from tests.helpers.small_disk import fill, small_disk


def settings(folder: Path) -> Settings:
    return Settings(checkpoints_dir=folder, data_dir=folder / "data", cache_bytes=0)


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory) -> Handler:
    return load(settings(tmp_path_factory.mktemp("handler")), "mask", False)


@pytest.mark.parametrize("form", ["file", "json", "zip"])
def test_every_form_of_a_mask_and_of_a_mesh_can_be_read_by_the_service(
    handler: Handler, form: Form, tmp_path: Path
) -> None:
    photo = encoded(toy()[0])
    for kind, options in (
        ("remove-bg", MaskOptions(debug=form == "zip")),
        ("generate-mesh", MeshOptions(debug=form == "zip")),
    ):
        done = _plain(handler.perform(Work(kind, {"file": photo}, options, form), lambda stage: None))
        assert done.files[0].data
        done = _park(done, tmp_path, 1)
        answer = Finished(1, done, handler.facts())
        assert unpack_answer(pack(answer)[LENGTH.size :]) == answer


def test_a_result_that_finds_no_room_leaves_none_of_it_on_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 10 * INLINE_BYTES) as disk:
        fill(disk, leave=3 * INLINE_BYTES)
        for number in range(3):
            with pytest.raises(StorageFullError):
                _park(Done((File("mask.png", "image/png", b"x" * 9 * INLINE_BYTES),), ()), disk / "spool", number)
        assert not list((disk / "spool").iterdir())


def test_a_large_result_finds_its_folder_made_again_or_a_reason(tmp_path: Path) -> None:
    done = Done((File("mask.png", "image/png", b"x" * 2 * INLINE_BYTES),), ())
    _park(done, tmp_path / "removed" / "since", 1)
    assert spool_path(tmp_path / "removed" / "since", 1, 0).stat().st_size == 2 * INLINE_BYTES
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailedError) as raised:
        _park(done, tmp_path / "file", 1)
    assert str(tmp_path) not in raised.value.detail
    failed = Failed(1, raised.value, "", Facts())
    assert type(unpack_answer(pack(failed)[LENGTH.size :]).error) is StorageFailedError  # type: ignore[union-attr]


def test_broken_weights_leave_the_stand_in_and_the_worker_says_why(tmp_path: Path) -> None:
    (tmp_path / "depth_anything_v2_vits.pth").write_bytes(b"<html>not found</html>")
    handler = load(settings(tmp_path), "mesh", False)
    facts = handler.facts()
    assert list(facts.broken) == ["depth-anything-v2-vits"]
    assert facts.broken["depth-anything-v2-vits"]
    done = handler.perform(Work("generate-mesh", {"file": encoded(toy()[0])}, MeshOptions()), lambda stage: None)
    assert done.report["fusion"]["strategy"] == "segmentation"


def test_a_remote_worker_loads_no_network(tmp_path: Path) -> None:
    (tmp_path / "depth_anything_v2_vits.pth").write_bytes(b"would be found broken")
    facts = load(settings(tmp_path), "remote", False).facts()
    assert (facts.loaded, facts.broken, facts.why) == ({}, {}, "")


def test_a_worker_that_skips_networks_says_so(tmp_path: Path) -> None:
    (tmp_path / "depth_anything_v2_vits.pth").write_bytes(b"would end the process")
    handler = load(settings(tmp_path), "mesh", True)
    facts = handler.facts()
    assert isinstance(facts, Facts) and "died while loading" in facts.why
    assert {*AUTO_SEGMENTERS, "depth-anything-v2-vits", "triposr"} == set(facts.broken)
    assert facts.loaded == {}
