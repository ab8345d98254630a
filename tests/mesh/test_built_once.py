"""The stage `build`: the same object and request are built once, and come back with all that belongs to them."""

from dataclasses import replace

import numpy as np
import pytest

from backend.cache.cache import Cache
from backend.cache.stages import StageCache
from backend.contract.options import MeshFileOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.contract.work import Work
from backend.engines.registry import Engines
from backend.mesh.built_once import build_once
from backend.mesh.engine import Built, MeshRequest
from backend.mesh.framing import Framed
from backend.workers.perform import perform
from tests.helpers.cache_stores import SECRET, MemoryStore
from tests.helpers.drawn import encoded, toy
from tests.helpers.small_meshes import figure


class Engine:
    """Counts how often it builds."""

    name, device = "counted", "cpu"

    def __init__(self, mesh):
        self.mesh, self.built = mesh, 0

    def build(self, framed, disparity, request, trace):
        self.built += 1
        trace.note("An own note.")
        trace.degrade("Memory ran out.")
        return Built(self.mesh, {"faces_asked": 3, "doubt": 0.25}, "The back is a guess.")


@pytest.fixture
def stages():
    store = MemoryStore()
    store.max_entry_bytes = 10**8
    return StageCache(Cache(store, lambda: SECRET))


FRAMED = Framed(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.float32), (0, 0, 8, 8), (0, 0), 1.0, (False,) * 4)


def built(engine, stages, framed=FRAMED, disparity=None, request=None, trace=None):
    with stages.run("use"):
        given = (framed, disparity, request or MeshRequest())
        return build_once(engine, stages.of("x"), *given, trace or Trace())


@pytest.mark.parametrize(
    "mesh", [figure(), figure(texture=True), figure(colors=False)], ids=["colours", "both", "bare"]
)
def test_an_earlier_mesh_comes_back_with_its_facts_and_sentences(stages, mesh):
    engine = Engine(mesh)
    first, trace = built(engine, stages), Trace()
    again = built(engine, stages, trace=trace)
    assert engine.built == 1
    assert (trace.notes, trace.degradations) == (["An own note."], ["Memory ran out."])
    assert (again.facts, again.guessed) == (first.facts, first.guessed)
    for name in ("vertices", "faces", "colors", "normals"):
        ours, theirs = getattr(again.mesh, name), getattr(mesh, name)
        assert (ours is None and theirs is None) or (ours.dtype == theirs.dtype and (ours == theirs).all())
    if mesh.texture is not None:
        assert (again.mesh.texture.image == mesh.texture.image).all() and (
            again.mesh.texture.uv == mesh.texture.uv
        ).all()


@pytest.mark.parametrize(
    "other",
    [
        {"framed": replace(FRAMED, image=FRAMED.image + 1)},
        {"framed": replace(FRAMED, alpha=FRAMED.alpha / 2)},
        {"framed": replace(FRAMED, cut=(True, False, False, False))},
        {"disparity": np.zeros((8, 8), np.float32)},
        {"request": MeshRequest(target_faces=500)},
    ],
)
def test_another_object_or_request_is_built(stages, other):
    engine = Engine(figure())
    built(engine, stages)
    built(engine, stages, **other)
    assert engine.built == 2


def test_a_run_that_shows_its_pictures_is_a_real_one(stages):
    engine = Engine(figure())
    for _ in range(2):
        built(engine, stages, trace=Trace(on_picture=lambda name, picture: None))
    assert engine.built == 2


def test_another_format_axis_and_size_of_a_mesh_build_nothing(tmp_path, stages):
    engines = Engines(Settings(checkpoints_dir=tmp_path), stages)
    image, mask = toy()
    files = {"file": encoded(image), "mask": encoded(mask.astype("uint8") * 255)}

    def run(**options):
        return perform(
            Work("generate-mesh", files, MeshOptions(engine="relief", **options)), engines, lambda name: None
        )

    first = run()
    assert first.stage_caches["build"] == "miss"
    other = run(format="stl", up="z", pivot="foot", height_mm=80, shading="unlit")
    assert other.stage_caches["build"] == "hit" and "build" in other.report["cached"]
    assert np.allclose(other.report["mesh"]["bounds"][1][2], 80)
    assert run(target_faces=500).stage_caches["build"] == "miss"
    converted = perform(
        Work("convert-mesh", {"file": first.files[0].data}, MeshFileOptions(format="stl", up="z")), engines, print
    )
    plain = run(format="stl", up="z")
    assert converted.files[0].data == plain.files[0].data
