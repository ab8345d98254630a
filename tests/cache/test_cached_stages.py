"""The stage cache: a network's answer comes back bit for bit for the same input, and for no other."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.cache.cache import Cache
from backend.cache.memoize import Arrays
from backend.cache.stages import StageCache
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.trace import Trace
from backend.contract.work import CacheUse, Work
from backend.engines.border import border
from backend.engines.border.border import BorderSegmenter
from backend.engines.depth_anything import SIZES, DepthAnything
from backend.engines.multi_scale import predict_at_scales
from backend.engines.onnx_segmenter import OnnxSegmenter, open_session
from backend.engines.registry import Engines
from backend.engines.triposr import TripoSREngine
from backend.mesh.engine import MeshRequest
from backend.mesh.framing import Framed, frame_object
from backend.weights.catalogue import AUTO_SEGMENTERS, CATALOGUE
from backend.workers.perform import perform
from tests.helpers.cache_stores import SECRET, MemoryStore
from tests.helpers.drawn import encoded, toy
from tests.helpers.known_object import known_state
from tests.helpers.published_config import published_config
from tests.helpers.tiny_onnx import write_network
from tsr import TripoSR

PUBLISHED = json.loads((REPOSITORY / "tests" / "golden" / "tsr_small.json").read_text())
GIVEN = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def stages(store: MemoryStore) -> StageCache:
    store.max_entry_bytes = 10**9
    return StageCache(Cache(store, lambda: SECRET))


class Network:
    """Answers with whatever it was given to say, and counts how often it was asked."""

    def __init__(self, *answer: NDArray[Any]) -> None:
        self.answer, self.asked = answer or (GIVEN * 2,), 0

    def __call__(self) -> Arrays:
        self.asked += 1
        return self.answer


def ask(
    stages: StageCache, network: Network, given: NDArray[Any] = GIVEN, detail: str = "cpu", use: CacheUse = "use",
    fingerprint: str = "one", stage: str = "segment",
) -> tuple[Arrays, dict[str, Any]]:  # fmt: skip
    with stages.run(use) as run:
        answer = stages.of(fingerprint)(stage, detail, given, network)
    return answer, dict(run.outcomes)


ANSWERS = [
    np.array([np.nan, -0.0, np.inf, 1e-45, 0.1], np.float32),
    np.array([True, False]),
    np.array(3.5),
    np.empty((0, 3), np.uint8),
    np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::-1, 1:],
]


def test_an_answer_comes_back_bit_for_bit_and_may_be_written_to(stages: StageCache) -> None:
    network = Network(*ANSWERS)
    ask(stages, network)
    again, outcomes = ask(stages, network)
    assert (network.asked, outcomes) == (1, {"segment": "hit"})
    for array, expected in zip(again, ANSWERS, strict=True):
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()
        array[...] = 0
    assert ask(stages, network)[0][1].tolist() == [True, False]


@pytest.mark.parametrize(
    "other",
    [{"given": GIVEN + 1}, {"given": GIVEN.reshape(4, 3)}, {"given": GIVEN.view(np.int32)}, {"detail": "cuda"},
     {"fingerprint": "two"}, {"stage": "depth"}, {"given": np.asfortranarray(GIVEN.T)}],
)  # fmt: skip
def test_another_input_or_detail_is_computed(stages: StageCache, other: dict[str, Any]) -> None:
    network = Network()
    ask(stages, network)
    assert list(ask(stages, network, **other)[1].values()) == ["miss"]
    assert network.asked == 2


def test_the_inputs_memory_layout_does_not_matter(stages: StageCache) -> None:
    network = Network()
    ask(stages, network)
    assert ask(stages, network, np.asfortranarray(GIVEN))[1] == {"segment": "hit"}


def test_the_work_decides_the_use_of_the_cache(stages: StageCache, store: MemoryStore) -> None:
    network = Network()
    assert ask(stages, network, use="avoid")[1] == {}
    assert store.entries == {}
    ask(stages, network)
    assert ask(stages, network, use="avoid")[1] == {}
    assert ask(stages, network, use="renew")[1] == {"segment": "miss"}
    assert network.asked == 4
    network.answer = (GIVEN * 3,)
    ask(stages, network, use="renew")
    assert np.array_equal(ask(stages, network)[0][0], GIVEN * 3)


def test_outside_of_work_nothing_is_memoized(stages: StageCache, store: MemoryStore) -> None:
    network = Network()
    for _ in range(2):
        stages.of("one")("segment", "cpu", GIVEN, network)
    assert (network.asked, store.entries) == (2, {})


def test_a_stage_that_asks_often_is_a_hit_when_every_answer_was(stages: StageCache) -> None:
    network, memoize = Network(), stages.of("one")
    with stages.run("use") as run:
        memoize("segment", "", GIVEN, network)
    assert run.outcomes == {"segment": "miss"}
    for given in ((GIVEN, GIVEN + 1), (GIVEN + 2, GIVEN)):
        with stages.run("use") as run:
            for one in given:
                memoize("segment", "", one, network)
        assert run.outcomes == {"segment": "miss"}
    with stages.run("use") as run:
        for one in (GIVEN, GIVEN + 1, GIVEN + 2):
            memoize("segment", "", one, network)
    assert run.outcomes == {"segment": "hit"}


def test_a_spoilt_entry_is_computed_again(stages: StageCache, store: MemoryStore) -> None:
    network = Network()
    ask(stages, network)
    (key,) = store.entries
    store.entries[key] = store.entries[key][:50]
    assert np.array_equal(ask(stages, network)[0][0], network.answer[0])
    assert network.asked == 2


def test_without_a_cache_everything_is_computed() -> None:
    network = Network()
    for _ in range(2):
        assert ask(StageCache(), network)[1] == {}
    assert network.asked == 2


def no_more(*_: object, **__: object) -> None:
    raise AssertionError("this was to be memoized")


def test_the_border_segmenter_memoizes_what_it_decided(stages: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    image = toy(400, 300)[0]
    plain = BorderSegmenter().predict(image)
    memoizing = BorderSegmenter(memoize=stages.of("border"))
    with stages.run("use"):
        first = memoizing.predict(image)
    monkeypatch.setattr(border, "solve_saliency", no_more)
    with stages.run("use"):
        again = memoizing.predict(image)
    for guess in (first, again):
        assert guess.saliency.tobytes() == plain.saliency.tobytes()
        assert (guess.notes, guess.facts) == (plain.notes, plain.facts)
        assert [type(fact) for fact in guess.facts.values()] == [type(fact) for fact in plain.facts.values()]


def test_a_network_memoizes_its_answer_at_every_scale(
    stages: StageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session("tiny", write_network(tmp_path / "tiny.onnx"), 1, "cpu")
    image = toy(400, 300)[0]
    plain = predict_at_scales(OnnxSegmenter("tiny", session, CATALOGUE["u2net"].network), image)
    memoizing = OnnxSegmenter("tiny", session, CATALOGUE["u2net"].network, stages.of("tiny"))
    with stages.run("use"):
        predict_at_scales(memoizing, image)
    monkeypatch.setattr(memoizing, "_run", no_more)
    with stages.run("use") as run:
        again = predict_at_scales(memoizing, image)
    assert run.outcomes == {"segment": "hit"}
    assert again.saliency.tobytes() == plain.saliency.tobytes()


class Luma(torch.nn.Module):
    """Stands where the depth network does: its disparity is the picture's brightness."""

    def forward(self, pixels: torch.Tensor) -> Any:
        return type("Answer", (), {"predicted_depth": pixels.mean(1)})


def test_the_depth_network_memoizes_its_disparity(stages: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    image = toy(400, 300)[0]
    plain = DepthAnything(Luma(), SIZES[384], "cpu", "exact", 140).predict(image)
    memoizing = DepthAnything(Luma(), SIZES[384], "cpu", "exact", 140, stages.of("vits"))
    with stages.run("use"):
        memoizing.predict(image)
    monkeypatch.setattr(memoizing, "forward", no_more)
    with stages.run("use") as run:
        assert memoizing.predict(image).tobytes() == plain.tobytes()
    assert run.outcomes == {"depth": "hit"}
    other_size = DepthAnything(Luma(), SIZES[384], "cpu", "exact", 154, stages.of("vits"))
    monkeypatch.setattr(other_size, "forward", no_more)
    with stages.run("use"), pytest.raises(AssertionError, match="memoized"):
        other_size.predict(image)


@pytest.fixture(scope="module")
def model() -> TripoSR:
    model = TripoSR(published_config(PUBLISHED["config"], PUBLISHED["vit"]))
    model.load_published(known_state(PUBLISHED["state"]))
    return model


def engine_of(model: TripoSR, stages: StageCache) -> TripoSREngine:
    return TripoSREngine(lambda device: model, memoize=stages.of("triposr"))


@pytest.fixture(scope="module")
def framed() -> Framed:
    y, x = np.mgrid[0:200, 0:200]
    alpha = (((x - 100) / 50) ** 2 + ((y - 100) / 70) ** 2 < 1).astype(np.float32)
    return frame_object(np.full((200, 200, 3), 90, np.uint8), alpha)


FIRST = MeshRequest(resolution=128, isovalue=20.0)  # so fine that it looks at a coarse lattice first
ALL = {"encode": "hit", "lattice": "hit", "surface": "hit"}


@pytest.fixture(scope="module")
def after_first(model: TripoSR, framed: Framed) -> dict[str, bytes]:
    """Return a cache as it is when FIRST has been built."""
    store = MemoryStore(max_entry_bytes=10**9)
    stages = StageCache(Cache(store, lambda: SECRET))
    with stages.run("use"):
        engine_of(model, stages).build(framed, None, FIRST, Trace())
    return store.entries


@pytest.mark.parametrize(
    ("asked", "outcomes"),
    [
        (replace(FIRST, target_faces=500), ALL),
        (replace(FIRST, isovalue=30.0), {**ALL, "surface": "miss"}),
        (replace(FIRST, resolution=132), {**ALL, "lattice": "miss", "surface": "miss"}),
    ],
)
def test_triposr_memoizes_its_scene_code_and_its_lattice(
    model: TripoSR,
    framed: Framed,
    after_first: dict[str, bytes],
    asked: MeshRequest,
    outcomes: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages = StageCache(Cache(MemoryStore(entries=dict(after_first)), lambda: SECRET))
    plain = engine_of(model, StageCache()).build(framed, None, asked, Trace()).mesh
    monkeypatch.setattr(model, "encode", no_more)
    if outcomes["surface"] == "hit":
        monkeypatch.setattr("tsr.radiance_field.Lattice.__init__", no_more)
    with stages.run("use") as run:
        mesh = engine_of(model, stages).build(framed, None, asked, Trace()).mesh
    assert run.outcomes == outcomes
    for name in ("vertices", "faces", "colors"):
        assert getattr(mesh, name).tobytes() == getattr(plain, name).tobytes()


CHANGES: list[dict[str, Any]] = [
    {"quality": "fast"}, {"output": "cutout"}, {"feather_px": 2.0}, {"crop": True}, {"strategy": "auto"},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_memoized_matte_is_the_computed_one(
    store: MemoryStore, stages: StageCache, tmp_path: Path, change: dict[str, Any]
) -> None:
    store.max_entry_bytes = 10**8
    settings = Settings(checkpoints_dir=tmp_path)
    memoizing, plain = Engines(settings, stages), Engines(settings)
    photo = {"file": encoded(toy(320, 240)[0])}
    perform(Work("remove-bg", photo, MaskOptions()), memoizing, lambda stage: None)
    work = Work("remove-bg", photo, MaskOptions(**change))
    memoized, computed = (perform(work, engines, lambda stage: None) for engines in (memoizing, plain))
    assert memoized.files == computed.files
    assert (memoized.report["cached"], computed.report["cached"]) == (["segment"], [])
    assert memoized.stage_caches == {"segment": "hit"}


def test_the_result_says_which_models_took_part(stages: StageCache, tmp_path: Path) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path), stages)
    photo = {"file": encoded(toy()[0])}
    auto = perform(Work("generate-mesh", photo, MeshOptions()), engines, lambda stage: None)
    assert auto.models == {
        **dict.fromkeys(AUTO_SEGMENTERS, "absent"), "depth-anything-v2-vits": "absent", "triposr": "absent",
    }  # fmt: skip
    named = perform(Work("remove-bg", photo, MaskOptions(model="border")), engines, lambda stage: None)
    assert named.models == {"border": "embedded"}


def test_an_exchanged_network_has_another_fingerprint(stages: StageCache, tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(
        '[shoes]\nfile = "shoes.onnx"\ninput_size = 320\nmean = [0, 0, 0]\nstd = [1, 1, 1]\nactivation = "none"\n'
    )
    write_network(tmp_path / "shoes.onnx")
    settings = Settings(checkpoints_dir=tmp_path)
    work = Work("remove-bg", {"file": encoded(toy()[0])}, MaskOptions(model="shoes"))
    before = Engines(settings, stages)
    first = perform(work, before, lambda stage: None)
    write_network(tmp_path / "shoes.onnx", weights=(-1.0, -1.0, -1.0), bias=1.0)
    still = perform(work, before, lambda stage: None)
    after = perform(work, Engines(settings, stages), lambda stage: None)
    assert still.models == first.models != after.models
    assert (still.report["cached"], after.report["cached"]) == (["segment"], [])
    assert after.files != first.files
