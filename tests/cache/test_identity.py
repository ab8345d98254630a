"""The key of a result: equal for the same work, and different for anything that could change a byte of it."""

import os
from pathlib import Path
from typing import Any

import pytest

from backend.cache import identity
from backend.cache.identity import ABSENT, NEUTRAL, model_fingerprint, models_of, result_key
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.work import Work
from backend.weights.catalogue import CATALOGUE, DEFAULT_SEGMENTER

FILES = {"file": b"photo"}


def key(work: Work, settings: Settings) -> str:
    return result_key(work, models_of(work, settings), settings)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(checkpoints_dir=tmp_path)


def mask(**options: Any) -> Work:
    return Work("remove-bg", FILES, MaskOptions(**options))


def test_the_same_work_of_other_clients_has_the_same_key(settings: Settings) -> None:
    first = Work("remove-bg", {"file": b"photo", "mask": b"own"}, MaskOptions(crop=True), name="one")
    again = Work("remove-bg", {"mask": b"own", "file": b"photo"}, MaskOptions(crop=True, margin=0.0), name="two")
    assert key(first, settings) == key(again, settings)


@pytest.mark.parametrize(
    "other",
    [
        Work("remove-bg", {"file": b"phot0"}, MaskOptions()),
        Work("remove-bg", {"file": b"photo", "mask": b""}, MaskOptions()),
        Work("remove-bg", {"mask": b"photo"}, MaskOptions()),
        Work("remove-bg", FILES, MaskOptions(), form="json"),
        Work("remove-bg", FILES, MaskOptions(), form="job"),
        Work("generate-mesh", FILES, MeshOptions()),
    ],
)
def test_other_work_has_another_key(settings: Settings, other: Work) -> None:
    assert key(other, settings) != key(mask(), settings)


OTHERS = {
    "preset": "print", "flat_foot": True, "texture_px": 512, "texture_quality": 80, "quantize": True,
    "texture_format": "webp",
    "model": "border", "quality": "best", "multi_scale": True, "use_alpha": False, "refine": True, "strategy": "union",
    "depth_percentile": 36.0, "feather_px": 1.0, "debug": True, "output": "cutout", "background": "#ffffff",
    "crop": True, "margin": 0.1, "engine": "relief", "foreground_ratio": 0.8, "resolution": 128, "threshold": 24.0,
    "format": "obj", "texture": "baked", "target_faces": 500, "smooth": True, "project_photo": True, "up": "z",
    "cloth": "upper", "points": [{"x": 1, "y": 2, "mode": "keep"}], "matting": "rembg", "refiner": "classic",
    "score_threshold": 0.4, "classes": "cat", "instances": 2, "mode": "document", "edges": "sharp",
    "holes": "open", "shading": "unlit", "pivot": "foot", "height_mm": 120.0, "height_m": 2.0, "roi": "1,2,3,4",
    "shadow": "soft", "output_format": "webp", "output_quality": 50, "keep_metadata": True, "depth_guide": 0.5,
}  # fmt: skip

NEEDS: dict[str, dict[str, Any]] = {"shadow": {"background": "#ffffff"}}


@pytest.mark.parametrize("kind", [MaskOptions, MeshOptions])
def test_every_option_changes_the_key(settings: Settings, kind: type[MaskOptions] | type[MeshOptions]) -> None:
    options = [kind(), *(kind(**{**NEEDS.get(name, {}), name: OTHERS[name]}) for name in kind.model_fields)]
    keys = {key(Work("remove-bg", FILES, one), settings) for one in options}
    assert len(keys) == len(options)


def test_a_mesh_that_names_no_strategy_follows_the_settings(settings: Settings) -> None:
    named, unnamed = MeshOptions(strategy="auto"), MeshOptions()
    assert key(Work("generate-mesh", FILES, named), settings) != key(Work("generate-mesh", FILES, unnamed), settings)
    other = settings.model_copy(update={"strategy": "union"})
    assert key(Work("generate-mesh", FILES, unnamed), settings) != key(Work("generate-mesh", FILES, unnamed), other)


@pytest.mark.parametrize(
    "change",
    [{"mask_threshold": 0.5}, {"morph_kernel_size": 7}, {"holes": "fill"}, {"max_hole_share": 0.5},
     {"use_smart_padding": True}, {"depth_size_px": 700}, {"device": "cuda"}, {"max_pixels": 1000},
     {"min_object_coverage": 0.1}, {"allow_noncommercial": True}],
)  # fmt: skip
def test_settings_that_change_results_change_the_key(settings: Settings, change: dict[str, Any]) -> None:
    assert key(mask(), settings) != key(mask(), settings.model_copy(update=change))


def test_settings_that_change_no_result_do_not(settings: Settings, tmp_path: Path) -> None:
    change = {"max_waiting": 3, "logs_dir": tmp_path, "data_dir": tmp_path, "cache_bytes": 7, "log_level": "DEBUG"}
    assert key(mask(), settings) == key(mask(), settings.model_copy(update=change))


def test_the_settings_named_as_neutral_exist() -> None:
    assert set(Settings.model_fields) >= NEUTRAL


def test_other_code_has_other_keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(mask(), settings)
    monkeypatch.setattr(identity, "build_fingerprint", lambda: "another build")
    assert key(mask(), settings) != before


def test_the_build_is_every_file_of_the_code_and_its_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "a.py").write_text("1")
    monkeypatch.setattr(identity, "REPOSITORY", tmp_path)
    fingerprints = [identity.build_fingerprint.__wrapped__()]
    for name, text in (("a.py", "2"), ("b.py", "1"), ("form.onnx", "1"), ("form.onnx", "2")):
        (tmp_path / "backend" / name).write_text(text)
        fingerprints.append(identity.build_fingerprint.__wrapped__())
    assert len(set(fingerprints)) == 5


def test_weights_that_arrive_or_change_change_the_key(settings: Settings) -> None:
    file = settings.checkpoints_dir / CATALOGUE[DEFAULT_SEGMENTER].files[0].path
    file.parent.mkdir(exist_ok=True, parents=True)
    keys = [key(mask(), settings)]
    for content, time_s in ((b"one", 1), (b"two", 2), (b"longer", 2)):
        file.write_bytes(content)
        os.utime(file, (time_s, time_s))
        keys.append(key(mask(), settings))
    assert len(set(keys)) == 4
    file.unlink()
    assert key(mask(), settings) == keys[0]


def test_own_weights_are_a_file_or_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    own = Settings(checkpoints_dir=tmp_path, triposr_weights=folder / "model.ckpt")
    assert model_fingerprint("triposr", own) == ABSENT
    (folder / "model.ckpt").write_bytes(b"weights")
    as_file = model_fingerprint("triposr", own)
    as_folder = model_fingerprint("triposr", own.model_copy(update={"triposr_weights": folder}))
    assert as_file == as_folder != ABSENT
    (folder / "model.safetensors").write_bytes(b"the copy that loading makes")
    assert model_fingerprint("triposr", own.model_copy(update={"triposr_weights": folder})) == as_folder


def test_the_input_settings_of_a_custom_model_are_part_of_it(tmp_path: Path) -> None:
    entry = '[shoes]\nfile = "shoes.onnx"\ninput_size = {}\nmean = [0, 0, 0]\nstd = [1, 1, 1]\nactivation = "none"\n'
    (tmp_path / "shoes.onnx").write_bytes(b"network")
    settings = Settings(checkpoints_dir=tmp_path)
    fingerprints = []
    for size in (320, 640):
        (tmp_path / "models.toml").write_text(entry.format(size))
        fingerprints.append(model_fingerprint("shoes", settings))
    assert fingerprints[0] != fingerprints[1]


def test_an_unknown_model_is_absent(settings: Settings) -> None:
    assert model_fingerprint("unknown", settings) == ABSENT
    assert models_of(mask(model="unknown"), settings)["unknown"] == ABSENT
