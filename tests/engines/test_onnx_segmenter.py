"""The ONNX segmenter on networks whose answer can be worked out by hand."""

import importlib.util
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image as PillowImage

from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.contract.settings import Settings
from backend.engines.load_segmenter import load_segmenter
from backend.engines.onnx_segmenter import OnnxSegmenter, network_input, open_session, to_saliency
from backend.weights.catalogue import CATALOGUE, NetworkInput
from tests.helpers.tiny_onnx import write_network

PLAIN = NetworkInput((64, 64), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def segmenter(path: Path, network: NetworkInput = PLAIN) -> OnnxSegmenter:
    return OnnxSegmenter("tiny", open_session("tiny", path, 1, "cpu"), network)


def photo(height: int = 90, width: int = 130, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramp(height: int, width: int) -> np.ndarray:
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.repeat(np.tile(row, (height, 1))[:, :, None], 3, axis=2)


@pytest.fixture(scope="module")
def rembg_base() -> ModuleType:
    """rembg's own base class, without the package around it, whose import compiles for a minute."""
    package = importlib.util.find_spec("rembg")
    if package is None or package.submodule_search_locations is None:
        pytest.skip("rembg is not installed")
    path = Path(package.submodule_search_locations[0]) / "sessions" / "base.py"
    spec = importlib.util.spec_from_file_location("rembg_sessions_base", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", [name for name, model in CATALOGUE.items() if model.network is not None and model.network.stretched]
)
@pytest.mark.parametrize("brightest", [255, 97, 1, 0])
def test_the_network_is_fed_what_rembg_feeds_it(
    name: str, brightest: int, rembg_base: ModuleType, tmp_path: Path
) -> None:
    network = CATALOGUE[name].network
    assert network is not None
    image = (photo(70, 100) * (brightest / 255)).astype(np.uint8)
    theirs = rembg_base.BaseSession.__new__(rembg_base.BaseSession)
    theirs.inner_session = open_session("tiny", write_network(tmp_path / "t.onnx", size=(16, 16), outputs=1), 1, "cpu")
    height, width = network.size
    fed = theirs.normalize(PillowImage.fromarray(image), network.mean, network.std, (width, height))["input.1"]
    ours = network_input(image, network)
    assert ours.dtype == np.float32 and ours.flags.c_contiguous
    assert np.array_equal(ours, fed)


@pytest.mark.parametrize("brightest", [255, 97, 0])
def test_a_network_that_is_not_of_rembg_sees_how_dark_a_picture_is(brightest: int) -> None:
    network = CATALOGUE["isnet-fp16"].network
    assert network is not None
    fed = network_input(np.full((70, 100, 3), brightest, np.uint8), network)
    assert np.allclose(fed, (brightest - 128) / 256)


@pytest.mark.slow
def test_saliency_stretched_and_rounded_is_the_mask_of_rembg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMBG_HOME", str(tmp_path))
    monkeypatch.delenv("U2NET_HOME", raising=False)
    import onnxruntime
    from rembg.sessions.u2net_custom import U2netCustomSession

    path = write_network(tmp_path / "u2net.onnx", weights=(0.9, -0.4, 0.3), bias=-0.2)
    theirs = U2netCustomSession("u2net_custom", onnxruntime.SessionOptions(), model_path=str(path))
    image = photo(320, 320)
    (mask,) = theirs.predict(PillowImage.fromarray(image))
    ours = segmenter(path, CATALOGUE["u2net"].network).predict(image).saliency
    stretched = (ours - ours.min()) / (ours.max() - ours.min())
    assert np.abs(stretched * 255 - np.asarray(mask)).max() <= 1.01


def test_saliency_is_the_first_output_at_the_size_of_the_image(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", size=(64, 64), weights=(4.0, 0.0, 0.0), bias=-2.0)
    image = np.zeros((48, 200, 3), np.uint8)
    image[:, 100:, 0] = 255
    guess = segmenter(path).predict(image)
    assert guess.saliency.shape == (48, 200) and guess.saliency.dtype == np.float32
    assert guess.saliency[:, :80] == pytest.approx(1 / (1 + np.exp(2.0)), abs=1e-5)
    assert guess.saliency[:, 120:] == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-5)
    assert guess.facts["device"] == "cpu"


def test_colours_are_fed_as_red_green_blue(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", size=(64, 64), weights=(1.0, 0.5, 0.25), sigmoid=False)
    image = np.zeros((64, 64, 3), np.uint8)
    image[:] = (0, 0, 255)
    assert segmenter(path).predict(image).saliency == pytest.approx(0.25)


@pytest.mark.parametrize("value", [0.0, 0.02, 0.3, 1.0])
def test_a_constant_answer_stays_what_it_is(value: float, tmp_path: Path) -> None:
    """rembg's stretch to the full range would divide by zero here, or turn noise into an object."""
    path = write_network(tmp_path / "net.onnx", size=(64, 64), weights=(0, 0, 0), bias=value, sigmoid=False)
    assert segmenter(path).predict(photo()).saliency == pytest.approx(value, abs=1e-6)


def test_faint_saliency_is_neither_stretched_nor_rounded(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", size=(64, 64), weights=(0.01, 0.0, 0.0), sigmoid=False)
    saliency = segmenter(path).predict(ramp(64, 640)).saliency
    assert saliency.max() == pytest.approx(0.01, rel=0.02)
    assert len(np.unique(saliency)) > 64


def test_a_black_picture_gives_the_answer_to_black(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", size=(64, 64), weights=(5, 5, 5), bias=-4.0)
    saliency = segmenter(path).predict(np.zeros((30, 40, 3), np.uint8)).saliency
    assert saliency == pytest.approx(1 / (1 + np.exp(4.0)), abs=1e-6)


def test_a_logit_becomes_a_probability_without_overflow() -> None:
    logits = np.array([[-1000.0, -2.0, 0.0, 2.0, 1000.0]], np.float32)
    saliency = to_saliency(logits, "sigmoid", (1, 5))
    assert saliency[0] == pytest.approx([0.0, 0.1192029, 0.5, 0.8807971, 1.0], abs=1e-6)


def test_an_answer_beyond_the_range_is_clipped() -> None:
    assert to_saliency(np.array([[-0.2, 0.5, 1.2]], np.float32), "none", (1, 3)).tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("size", [(64, 64), (7, 9), (300, 500), (20, 500), (500, 20), (1, 1)])
def test_resizing_keeps_the_mean_and_the_place(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    blob = np.exp(-((rows - 20.0) ** 2 + (columns - 40.0) ** 2) / 200).astype(np.float32)
    saliency = to_saliency(blob, "none", size)
    assert saliency.shape == size
    assert saliency.mean() == pytest.approx(blob.mean(), rel=0.02)
    if min(size) > 1:
        centre_y, centre_x = (saliency * np.mgrid[0 : size[0], 0 : size[1]]).sum((1, 2)) / saliency.sum()
        assert (centre_y + 0.5) / size[0] == pytest.approx(20.5 / 64, abs=0.02)
        assert (centre_x + 0.5) / size[1] == pytest.approx(40.5 / 64, abs=0.02)


def test_an_answer_of_another_size_than_the_input_is_taken(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", size=(64, 64), output_size=(16, 16), weights=(1, 0, 0), sigmoid=False)
    saliency = segmenter(path).predict(ramp(64, 64)).saliency
    assert saliency.shape == (64, 64)
    assert np.all(np.diff(saliency[32]) >= -1e-6) and saliency[32, -1] > 0.9


def test_a_network_that_is_not_square_gets_height_and_width_right(tmp_path: Path) -> None:
    network = NetworkInput((32, 96), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    path = write_network(tmp_path / "net.onnx", size=(32, 96), weights=(1, 0, 0), sigmoid=False)
    assert segmenter(path, network).predict(ramp(40, 80)).saliency.shape == (40, 80)


def test_a_network_with_free_sizes_is_taken(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", dynamic=True)
    assert segmenter(path).predict(photo()).saliency.shape == (90, 130)


def test_the_image_is_left_alone_and_runs_repeat(tmp_path: Path) -> None:
    found = segmenter(write_network(tmp_path / "net.onnx", size=(64, 64)))
    image = photo()
    before = image.copy()
    first = found.predict(image).saliency
    assert np.array_equal(image, before)
    assert np.array_equal(found.predict(image).saliency, first)


def test_one_session_serves_many_threads(tmp_path: Path) -> None:
    found = segmenter(write_network(tmp_path / "net.onnx", size=(64, 64), weights=(2.0, -1.0, 0.5)))
    images = [photo(seed=seed) for seed in range(8)]
    alone = [found.predict(image).saliency for image in images]
    together: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: together.__setitem__(i, found.predict(images[i]).saliency))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[i], alone[i]) for i in range(8))


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_image_is_refused(image: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        segmenter(write_network(tmp_path / "net.onnx", size=(64, 64))).predict(image)


@pytest.mark.parametrize(
    "content", [b"", b"not a network at all", b"<html>not found</html>", b"\x08\x09\x12\x00" * 999]
)
def test_a_file_that_is_no_network_is_reported_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailableError) as caught:
        segmenter(path)
    assert "tiny" in caught.value.detail and str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize("facts", [{"size": (48, 64)}, {"size": (64, 64), "channels": 1}])
def test_a_network_of_another_shape_is_refused(facts: dict, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="64×64"):
        segmenter(write_network(tmp_path / "net.onnx", **facts))


def test_an_answer_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", size=(64, 64), bias=float("nan"))
    with pytest.raises(ModelUnavailableError, match="usable"):
        segmenter(path).predict(photo())


def test_an_absent_segmenter_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="python -m backend models fetch u2netp"):
        load_segmenter("u2netp", Settings(checkpoints_dir=tmp_path))


def test_a_file_with_another_digest_than_the_published_one_is_never_opened(tmp_path: Path) -> None:
    write_network(tmp_path / "u2netp.onnx")
    with pytest.raises(ModelUnavailableError, match="not the published files"):
        load_segmenter("u2netp", Settings(checkpoints_dir=tmp_path))


def test_a_non_commercial_segmenter_is_refused_unless_allowed(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="ALLOW_NONCOMMERCIAL=1"):
        load_segmenter("bria-rmbg", Settings(checkpoints_dir=tmp_path))
    with pytest.raises(ModelUnavailableError, match="not on this machine"):
        load_segmenter("bria-rmbg", Settings(checkpoints_dir=tmp_path, allow_noncommercial=True))


@pytest.mark.parametrize("name", ["triposr", "../u2net", "/etc/passwd", "u2net.onnx", "", "u2net_custom", "withoutbg"])
def test_a_name_that_is_no_segmenters_is_an_invalid_parameter(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError):
        load_segmenter(name, Settings(checkpoints_dir=tmp_path))


def test_ones_own_network_is_found_by_its_entry(tmp_path: Path) -> None:
    write_network(tmp_path / "shoes.onnx", size=(64, 64), weights=(8, 0, 0), bias=-4, sigmoid=False)
    (tmp_path / "models.toml").write_text(
        '[shoes]\nfile = "shoes.onnx"\ninput_size = 64\nmean = [0, 0, 0]\nstd = [1, 1, 1]\nactivation = "sigmoid"\n'
    )
    found = load_segmenter("shoes", Settings(checkpoints_dir=tmp_path, threads=1))
    assert found.name == "shoes"
    assert found.predict(ramp(64, 64)).saliency[:, -1] == pytest.approx(1 / (1 + np.exp(-4)), abs=0.01)


def test_ones_own_network_of_the_wrong_size_says_so(tmp_path: Path) -> None:
    write_network(tmp_path / "shoes.onnx", size=(32, 32))
    (tmp_path / "models.toml").write_text(
        '[shoes]\nfile = "shoes.onnx"\ninput_size = 64\nmean = [0, 0, 0]\nstd = [1, 1, 1]\nactivation = "none"\n'
    )
    with pytest.raises(ModelUnavailableError, match="64×64"):
        load_segmenter("shoes", Settings(checkpoints_dir=tmp_path))
