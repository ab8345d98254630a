"""The engine that `auto` takes; each is loaded once."""

import threading
import time
from pathlib import Path

import pytest

from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.registry import Engines
from backend.weights.catalogue import CATALOGUE, DEFAULT_SEGMENTER


def test_without_weights_the_stand_ins_are_taken_and_say_why(tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    assert (engines.segmenter().name, engines.depth(), engines.mesh_engine().name) == ("border", None, "form")
    for row in engines.describe().values():
        assert "python -m backend models fetch" in row["why"]


def test_an_unknown_name_is_the_callers_fault_and_an_absent_model_is_not(tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    with pytest.raises(InvalidParameterError):
        engines.segmenter("no-such-model")
    with pytest.raises(ModelUnavailableError, match="models fetch u2net"):
        engines.segmenter("u2net")
    with pytest.raises(InvalidParameterError):
        engines.segmenter("triposr")


@pytest.mark.parametrize("name", ["anything", "border", "u2netp", "depth-anything-v2-vits", "removebg", ""])
def test_a_name_that_is_no_mesh_engines_is_refused(name: str, tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    engines.segmenter("border")
    with pytest.raises(InvalidParameterError, match="triposr, form, relief"):
        engines.mesh_engine(name)


@pytest.mark.parametrize("name", ["form", "triposr", "depth-anything-v2-vits", "anything", ""])
def test_a_name_that_is_no_segmenters_is_refused(name: str, tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    engines.mesh_engine("form")
    with pytest.raises(InvalidParameterError):
        engines.segmenter(name)
    assert engines.mesh_engine("form").name == "form"


def test_nothing_is_kept_of_an_unknown_name(tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path))

    def kept() -> int:
        return sum(len(value) for value in vars(engines).values() if isinstance(value, dict))

    before = kept()
    for number in range(20):
        with pytest.raises(InvalidParameterError):
            engines.segmenter(f"no-such-model-{number}")
    assert kept() == before


def test_own_weights_that_are_not_there_step_aside_under_auto_and_not_by_name(tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path, triposr_weights=tmp_path / "absent.ckpt"))
    assert engines.mesh_engine().name == "form"
    assert "TripoSR cannot be used" in engines.describe()["mesh"]["why"]
    with pytest.raises(ModelUnavailableError):
        engines.mesh_engine("triposr")


def test_an_engine_that_many_ask_for_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def load(name: str, *_: object) -> object:
        loads.append(name)
        time.sleep(0.05)
        return object()

    monkeypatch.setattr("backend.engines.registry.load_segmenter", load)
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    threads = [threading.Thread(target=engines.segmenter, args=("u2netp",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["u2netp"]


def test_a_broken_model_is_known_as_one_by_whatever_name_it_was_asked_for(tmp_path: Path) -> None:
    file = CATALOGUE[DEFAULT_SEGMENTER].files[0]
    place = tmp_path / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as sparse:
        sparse.truncate(file.exact_size_bytes or 0)
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    with pytest.raises(ModelUnavailableError):
        engines.segmenter(DEFAULT_SEGMENTER)
    assert engines.segmenter("auto").name == "border"
    assert DEFAULT_SEGMENTER in engines.broken()  # /health asks this: the disk alone looks well
    with pytest.raises(ModelUnavailableError):
        engines.segmenter("u2netp")
    assert "u2netp" not in engines.broken()  # absent, and taken into use as soon as it comes
