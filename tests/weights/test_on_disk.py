"""The catalogue, the operator's own entries, and what is on disk."""

import hashlib
import os
import re
import sys
from pathlib import Path

import pytest

from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.weights.catalogue import CATALOGUE, DEFAULT_DEPTH, DEFAULT_MODELS, DEFAULT_SEGMENTER, Model, ModelFile
from backend.weights.custom_models import read_custom_models
from backend.weights.listing import list_models
from backend.weights.on_disk import (
    check_permission,
    find_model,
    how_to_get,
    model_state,
    require_model,
    verify,
)

GOOD = """
[shoes]
file = "shoes.onnx"
input_size = [320, 480]
mean = [0.5, 0.5, 0.5]
std = [1, 1, 1]
activation = "sigmoid"
"""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def two_files(monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of two small files, one with a published digest and one without, put into the catalogue."""
    model = Model(
        "twofold",
        "mesh",
        "MIT",
        True,
        (
            ModelFile("twofold/config.yaml", "hub", "a/b/resolve/main/config.yaml", 100),
            ModelFile("twofold/model.ckpt", "hub", "a/b/resolve/main/model.ckpt", 5, sha256(b"bytes")),
        ),
        "",
    )
    monkeypatch.setitem(CATALOGUE, model.name, model)
    return model


def put(folder: Path, path: str, content: bytes) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_every_entry_of_the_catalogue_is_well_formed() -> None:
    for name, model in CATALOGUE.items():
        assert model.name == name and re.fullmatch(r"(rembg:)?[a-z0-9_-]+", name)
        assert model.licence and model.about and model.size_bytes > 0
        assert model.task == "segmentation" or model.network is None
        assert (model.network is not None) == (model.task == "segmentation" and model.runner == "onnx")
        assert model.commercial_use == ("NC" not in model.licence)
        for file in model.files:
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert re.fullmatch(r"([0-9a-f]{8})?", file.sha256_start)
            assert re.fullmatch(r"([0-9a-f]{32})?", file.md5)
            assert not Path(file.path).is_absolute() and ".." not in Path(file.path).parts
            assert file.address and "://" not in file.address
        if model.network is not None:
            assert len(model.network.mean) == len(model.network.std) == 3


def test_no_two_files_of_the_catalogue_share_a_place_or_a_digest() -> None:
    files = [file for model in CATALOGUE.values() for file in model.files]
    assert len({file.path for file in files}) == len(files)
    large = [file.sha256 for file in files if file.sha256 and (file.size_bytes or 0) > 10_000]
    assert len(set(large)) == len(large)


def test_the_default_models_may_be_used_commercially_and_are_all_known_by_digest() -> None:
    assert {CATALOGUE[name].task for name in DEFAULT_MODELS} == {"segmentation", "depth", "mesh"}
    assert DEFAULT_SEGMENTER in DEFAULT_MODELS and DEFAULT_DEPTH in DEFAULT_MODELS
    for name in DEFAULT_MODELS:
        assert CATALOGUE[name].commercial_use
        assert all(file.sha256 for file in CATALOGUE[name].files)
    assert 1.8e9 < sum(CATALOGUE[name].size_bytes for name in DEFAULT_MODELS) < 2.1e9


def test_only_bria_needs_the_operators_permission() -> None:
    assert [name for name, model in CATALOGUE.items() if model.needs_permission] == ["bria-rmbg"]
    check_permission(CATALOGUE["u2net"], False)
    check_permission(CATALOGUE["bria-rmbg"], True)
    with pytest.raises(ModelUnavailableError, match="ALLOW_NONCOMMERCIAL=1"):
        check_permission(CATALOGUE["bria-rmbg"], False)


def test_the_command_that_fetches_a_model_is_complete() -> None:
    assert how_to_get(CATALOGUE["u2net"]).endswith("python -m backend models fetch u2net")
    assert "ALLOW_NONCOMMERCIAL=1 python" in how_to_get(CATALOGUE["bria-rmbg"])


@pytest.mark.parametrize("name", ["", "nothing", "../u2net", "u2net.onnx", "U2NET", "/etc/passwd", "u2net\n"])
def test_a_request_can_only_give_names_of_the_catalogue(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        find_model(name, tmp_path)
    assert "no model of that name" in caught.value.detail and str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize(
    ("name", "meant"),
    [("u2nett", "Did you mean u2net or u2netp? "), ("U2NETP", "Did you mean u2netp or u2net? "), ("?", "")],
)
def test_a_name_that_is_none_is_refused_with_those_that_are_like_it(name: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError) as refused:
        find_model(name, tmp_path)
    assert refused.value.detail == f"There is no model of that name. {meant}All names: python -m backend models list"


def test_a_model_goes_from_absent_over_partial_to_complete(two_files: Model, tmp_path: Path) -> None:
    assert model_state(two_files, tmp_path) == "absent"
    part = put(tmp_path, "twofold/model.ckpt.part", b"by")
    assert model_state(two_files, tmp_path) == "partial"
    part.unlink()
    put(tmp_path, "twofold/config.yaml", b"a: 1")
    assert model_state(two_files, tmp_path) == "partial"
    put(tmp_path, "twofold/model.ckpt", b"bytes")
    assert model_state(two_files, tmp_path) == "complete"


def test_a_wrong_size_is_broken_without_reading(two_files: Model, tmp_path: Path) -> None:
    put(tmp_path, "twofold/config.yaml", b"a: 1")
    put(tmp_path, "twofold/model.ckpt", b"byte")
    assert model_state(two_files, tmp_path) == "broken"


def test_a_wrong_digest_is_found_when_the_model_is_asked_for(two_files: Model, tmp_path: Path) -> None:
    put(tmp_path, "twofold/config.yaml", b"a: 1")
    put(tmp_path, "twofold/model.ckpt", b"bitez")
    assert model_state(two_files, tmp_path) == "complete", "the cheap look cannot know"
    with pytest.raises(ModelUnavailableError, match=r"not the published files.*models fetch twofold"):
        require_model("twofold", tmp_path)
    assert model_state(two_files, tmp_path) == "broken", "and now it does"


def test_a_file_is_held_to_the_digest_written_down_beside_it(two_files: Model, tmp_path: Path) -> None:
    put(tmp_path, "twofold/model.ckpt", b"bytes")
    config = put(tmp_path, "twofold/config.yaml", b"a: 1")
    put(tmp_path, "twofold/config.yaml.sha256", f"{sha256(b'a: 1')}  config.yaml\n".encode())
    assert verify(two_files, tmp_path) == "complete"
    config.write_bytes(b"a: 2")
    assert verify(two_files, tmp_path) == "broken"


@pytest.mark.parametrize("record", [b"", b"\xff\xfe\x00", b"no digest\n"])
def test_an_unreadable_record_never_stops_the_service(record: bytes, two_files: Model, tmp_path: Path) -> None:
    put(tmp_path, "twofold/model.ckpt", b"bytes")
    put(tmp_path, "twofold/config.yaml", b"a: 1")
    put(tmp_path, "twofold/config.yaml.sha256", record)
    assert verify(two_files, tmp_path) in ("complete", "broken")


def test_a_whole_model_gives_its_files_by_name(two_files: Model, tmp_path: Path) -> None:
    put(tmp_path, "twofold/config.yaml", b"a: 1")
    ckpt = put(tmp_path, "twofold/model.ckpt", b"bytes")
    files = require_model("twofold", tmp_path)
    assert files == {"config.yaml": tmp_path / "twofold/config.yaml", "model.ckpt": ckpt}


@pytest.mark.parametrize(("there", "words"), [((), "not on this machine"), (("config.yaml",), "only partly")])
def test_a_model_that_is_not_whole_says_how_to_get_it(
    there: tuple[str, ...], words: str, two_files: Model, tmp_path: Path
) -> None:
    for name in there:
        put(tmp_path, f"twofold/{name}", b"a: 1")
    with pytest.raises(ModelUnavailableError, match=words) as caught:
        require_model("twofold", tmp_path)
    assert "python -m backend models fetch twofold" in caught.value.detail
    assert str(tmp_path) not in caught.value.detail


def test_a_folder_in_the_place_of_a_file_is_no_file(two_files: Model, tmp_path: Path) -> None:
    (tmp_path / "twofold" / "model.ckpt").mkdir(parents=True)
    assert model_state(two_files, tmp_path) == "absent"


def test_verify_reads_again_even_where_the_stamp_is_the_same(two_files: Model, tmp_path: Path) -> None:
    """Bits that rot leave size and time as they were."""
    put(tmp_path, "twofold/config.yaml", b"a: 1")
    path = put(tmp_path, "twofold/model.ckpt", b"bytes")
    assert verify(two_files, tmp_path) == "complete"
    times = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"bitez")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert model_state(two_files, tmp_path) == "complete"
    assert verify(two_files, tmp_path) == "broken"


def test_an_own_entry_becomes_a_model(tmp_path: Path) -> None:
    put(tmp_path, "models.toml", GOOD.encode())
    model = find_model("shoes", tmp_path)
    assert model.network is not None and model.network.size == (320, 480) and model.network.activation == "sigmoid"
    assert model_state(model, tmp_path) == "absent"
    assert "Put shoes.onnx into the checkpoints folder" in how_to_get(model) and "fetch" not in how_to_get(model)
    put(tmp_path, "shoes.onnx", b"anything")
    assert require_model("shoes", tmp_path) == {"shoes.onnx": tmp_path / "shoes.onnx"}


def test_an_own_digest_is_checked(tmp_path: Path) -> None:
    put(tmp_path, "models.toml", (GOOD + f'sha256 = "{sha256(b"right")}"\n').encode())
    put(tmp_path, "shoes.onnx", b"right")
    require_model("shoes", tmp_path)
    put(tmp_path, "shoes.onnx", b"wrong!")
    with pytest.raises(ModelUnavailableError, match="not the published files"):
        require_model("shoes", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"shoes.onnx"', '"../shoes.onnx"', "without any folder"),
        ('"shoes.onnx"', '"/etc/passwd"', "without any folder"),
        ('"shoes.onnx"', '"shoes.pth"', ".onnx"),
        ('"shoes.onnx"', "7", ".onnx"),
        ("[320, 480]", "0", "between 16 and 4096"),
        ("[320, 480]", "true", "whole number"),
        ("[320, 480]", "[320]", "whole number"),
        ("[320, 480]", "320.5", "whole number"),
        ("[320, 480]", "99999", "between 16 and 4096"),
        ("[0.5, 0.5, 0.5]", "[0.5, 0.5]", "mean is three numbers"),
        ("[0.5, 0.5, 0.5]", "0.5", "mean is three numbers"),
        ("[0.5, 0.5, 0.5]", "[nan, 0.5, 0.5]", "mean is three numbers"),
        ("[0.5, 0.5, 0.5]", '["a", 0, 0]', "mean is three numbers"),
        ("[1, 1, 1]", "[1, 0, 1]", "std is greater than zero"),
        ('"sigmoid"', '"softmax"', "activation"),
        ('"sigmoid"', '["none"]', "activation"),
        ("activation", "activision", "activation is missing"),
        ("[shoes]", "[u2net]", "taken"),
        ("[shoes]", "[border]", "taken"),
        ("[shoes]", "[auto]", "taken"),
        ("[shoes]", '["../x"]', "lower-case"),
        ("[shoes]", 'loose = 1\n["shoes"]', "outside"),
        ('"sigmoid"', '"sigmoid"\nthreshold = 1', "threshold"),
        ('"sigmoid"', '"sigmoid"\nsha256 = "abc"', "64"),
        ('"sigmoid"', '"sigmoid"\nlicence = 3', "licence"),
    ],
)
def test_a_mistake_in_an_own_entry_is_named_and_hides_no_other(old: str, new: str, words: str, tmp_path: Path) -> None:
    put(tmp_path, "models.toml", (GOOD.replace(old, new) + GOOD.replace("shoes", "hats")).encode())
    found = read_custom_models(tmp_path)
    assert "hats" in found.models
    ((name, problem),) = found.problems.items()
    assert words in problem and str(tmp_path) not in problem
    if name == "shoes":
        with pytest.raises(ModelUnavailableError, match=r"models\.toml"):
            find_model(name, tmp_path)


@pytest.mark.parametrize("content", [b"[shoes", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_one_problem_and_no_crash(content: bytes, tmp_path: Path) -> None:
    put(tmp_path, "models.toml", content)
    found = read_custom_models(tmp_path)
    assert not found.models and "models.toml" in found.problems[""]
    assert find_model("u2net", tmp_path).name == "u2net"


def test_without_the_file_there_are_no_own_entries(tmp_path: Path) -> None:
    assert read_custom_models(tmp_path).models == {} == read_custom_models(tmp_path / "absent").problems


def test_a_mistake_in_models_toml_is_listed_and_keeps_verify_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from backend.commands.weights import list_all, verify_all

    (tmp_path / "models.toml").write_text('[shoes]\nfile = "../shoes.onnx"\n')
    row = next(row for row in list_models(tmp_path) if row.name == "shoes")
    assert row.state == "broken" and "shoes" in row.about
    assert list_all(tmp_path, as_json=False) == 0
    assert row.about in capsys.readouterr().out
    assert verify_all([], tmp_path) == 0
    (tmp_path / "models.toml").write_text("[shoes")
    assert any(row.name == "models.toml" and row.state == "broken" for row in list_models(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names and no devices")
@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "models.toml", "/"])
def test_what_is_no_file_in_the_place_of_models_toml_is_told_and_not_read(tmp_path: Path, place: str) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / "models.toml")
    else:
        (tmp_path / "models.toml").symlink_to(place)
    found = read_custom_models(tmp_path)
    assert found.models == {} and found.problems[""].startswith("models.toml ")
