"""Mask R-CNN on networks of its real layout, small and with weights set by hand."""

import importlib.util
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from backend.contract.coco import LABELS
from backend.contract.errors import ModelUnavailableError
from backend.contract.options import MaskOptions
from backend.contract.report import ModelUse
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.instances import InstanceChoice, InstanceSegmenter
from backend.engines.mask_rcnn import MaskRcnn, build_network, load_mask_rcnn, to_network_size
from backend.engines.registry import Engines
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
from backend.pipeline import cut_out
from backend.weights.catalogue import CATALOGUE

if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed (requirements-maskrcnn.txt)", allow_module_level=True)

SMALL = {"min_size": 64, "max_size": 96, "rpn_post_nms_top_n_test": 16, "box_detections_per_img": 6}
DOG, SCORE = 18, 0.9


def set_by_hand(network: Any, label: int = DOG, score: float = SCORE, mask: float = 0.95) -> None:
    """Have every region be `label` with certainty `score`, its box as proposed, its mask `mask` all over."""
    import torch

    head, masks = network.roi_heads.box_predictor, network.roi_heads.mask_predictor
    with torch.no_grad():
        for layer in (head.cls_score, head.bbox_pred, masks.mask_fcn_logits):
            layer.weight.zero_()
            layer.bias.zero_()
        head.cls_score.bias[:] = -20.0
        head.cls_score.bias[0], head.cls_score.bias[label] = np.log(1 - score), np.log(score)
        masks.mask_fcn_logits.bias[:] = float(np.log(mask / (1 - mask)))


@pytest.fixture(scope="module")
def network() -> Any:
    import torch

    torch.manual_seed(0)
    built = build_network("maskrcnn", **SMALL)
    set_by_hand(built)
    return built


@pytest.fixture(scope="module")
def found(network: Any) -> MaskRcnn:
    answers: dict[bytes, Any] = {}

    def once(stage: str, detail: str, given: np.ndarray, compute: Any) -> Any:
        """Ask the network once a picture: what these tests are about comes after it."""
        if given.tobytes() not in answers:
            answers[given.tobytes()] = compute()
        return answers[given.tobytes()]

    return MaskRcnn("maskrcnn", network, "cpu", once)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Pictures so small are not worth a second thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def photo(height: int = 90, width: int = 140) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    disc = (x - 70) ** 2 + (y - 45) ** 2 < 30**2
    return np.where(disc[..., None], (60, 40, 30), (225, 228, 230)).astype(np.uint8)


def test_the_names_are_torchvisions(network: Any) -> None:
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

    theirs = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    assert {number: name for number, name in enumerate(theirs) if number and name != "N/A"} == LABELS


def test_what_is_found_is_what_torchvision_finds(network: Any, found: MaskRcnn) -> None:
    """Their own last step pastes whole pictures; boxes, labels, certainties and masks at the middle must agree."""
    import torch

    image = photo(64, 96)  # at the network's own size, so that nothing is resized
    with torch.inference_mode():
        (theirs,) = network([torch.from_numpy(image).permute(2, 0, 1).float() / 255])
    ours = found.find(image)
    assert len(ours) == len(theirs["boxes"]) > 3
    for one, box, score in zip(ours, theirs["boxes"].numpy(), theirs["scores"].numpy(), strict=True):
        assert one.box == pytest.approx(box, abs=1e-3)
        assert one.score == pytest.approx(float(score), abs=1e-6) and one.name == "dog"
        assert one.grid.shape == (28, 28) and one.grid == pytest.approx(0.95, abs=1e-5)


def test_a_threshold_above_the_certainty_finds_nothing_and_says_what_there_is(found: MaskRcnn) -> None:
    guess = found.choosing(InstanceChoice(score_threshold=SCORE + 0.01)).predict(photo())
    assert not guess.saliency.any() and guess.facts["instances"] == 0
    assert "dog (0.90)" in guess.notes[0]
    assert found.choosing(InstanceChoice(score_threshold=SCORE - 0.01)).predict(photo()).facts["instances"] == 1


def test_only_the_classes_asked_for_count(found: MaskRcnn) -> None:
    cats = found.choosing(InstanceChoice(classes=frozenset({"cat"}))).predict(photo())
    assert not cats.saliency.any() and "no cat" in cats.notes[0]
    dogs = found.choosing(InstanceChoice(classes=frozenset({"cat", "dog"}))).predict(photo())
    assert dogs.facts["classes"] == "dog" and dogs.facts["scores"] == "0.900"
    assert dogs.saliency.max() > 0.9


def test_more_instances_cover_no_less(found: MaskRcnn) -> None:
    one, two, every = (found.choosing(InstanceChoice(instances=n)).predict(photo()) for n in ("main", 2, "all"))
    assert one.facts["instances"] == 1 and two.facts["instances"] == 2 and every.facts["instances"] > 2
    assert not one.several and two.several
    assert one.facts["instances_found"] == every.facts["instances_found"]


def test_the_answer_is_the_same_again_and_leaves_the_image_alone(found: MaskRcnn) -> None:
    image = photo()
    before = image.copy()
    first = found.predict(image).saliency
    assert np.array_equal(found.predict(image).saliency, first) and np.array_equal(image, before)
    assert first.shape == image.shape[:2] and first.dtype == np.float32
    assert isinstance(found, InstanceSegmenter)


@pytest.mark.parametrize("image", [np.zeros((0, 3, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_a_wrong_array_is_refused(image: np.ndarray, found: MaskRcnn) -> None:
    with pytest.raises(ValueError, match="an image is"):
        found.predict(image)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (96, 2)])
def test_pictures_of_any_shape_get_an_answer(size: tuple[int, int], found: MaskRcnn) -> None:
    assert found.predict(np.full((*size, 3), 90, np.uint8)).saliency.shape == size


def test_numbers_that_are_none_are_an_error(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    bias = network.roi_heads.mask_predictor.mask_fcn_logits.bias
    kept = bias.clone()
    with torch.no_grad():
        bias[:] = float("nan")
    try:
        with pytest.raises(ModelUnavailableError, match="no usable answer"):
            MaskRcnn("maskrcnn", network, "cpu").predict(photo())
    finally:
        with torch.no_grad():
            bias.copy_(kept)


@pytest.mark.parametrize("size", [(3000, 4000), (801, 801), (500, 5000)])
def test_large_pictures_come_at_the_size_that_the_network_takes(size: tuple[int, int]) -> None:
    height, width = to_network_size(np.zeros((*size, 3), np.uint8)).shape[:2]
    assert min(height, width) == 800 or max(height, width) == 1333
    assert min(height, width) <= 800 and max(height, width) <= 1333
    assert height / width == pytest.approx(size[0] / size[1], rel=0.01)


def test_smaller_pictures_are_left_to_the_network() -> None:
    image = photo()
    assert to_network_size(image) is image


def test_a_file_of_weights_is_loaded_whole(network: Any, found: MaskRcnn, tmp_path: Path) -> None:
    import torch

    path = tmp_path / "maskrcnn.pth"
    state = dict(network.state_dict())
    torch.save(state, path)
    assert load_mask_rcnn(CATALOGUE["maskrcnn"], [path], Settings(device="cpu")).name == "maskrcnn"
    name, value = state.popitem()
    torch.save(state, path)
    with pytest.raises(ModelUnavailableError, match=r"does not hold its weights.*models fetch maskrcnn"):
        load_mask_rcnn(CATALOGUE["maskrcnn"], [path], Settings(device="cpu"))
    torch.save({**state, name: value, "stray": value}, path)
    with pytest.raises(ModelUnavailableError, match="does not hold its weights"):
        load_mask_rcnn(CATALOGUE["maskrcnn"], [path], Settings(device="cpu"))


def test_a_file_with_the_names_of_2019_is_loaded(network: Any, tmp_path: Path) -> None:
    """The first published weights are older than the layers' present names, and say so by having no versions."""
    import torch

    def old(name: str) -> str:
        name = re.sub(r"(inner_blocks|layer_blocks)\.(\d)\.0\.", r"\1.\2.", name).replace(
            "head.conv.0.0.", "head.conv."
        )
        return re.sub(r"mask_head\.(\d)\.0\.", lambda found: f"mask_head.mask_fcn{int(found[1]) + 1}.", name)

    state = {old(name): value for name, value in network.state_dict().items()}
    assert "rpn.head.conv.weight" in state and "backbone.fpn.inner_blocks.3.weight" in state
    torch.save(state, tmp_path / "maskrcnn.pth")
    loaded: Any = load_mask_rcnn(CATALOGUE["maskrcnn"], [tmp_path / "maskrcnn.pth"], Settings(device="cpu"))._network
    fresh, kept = loaded.state_dict(), network.state_dict()
    assert all(torch.equal(fresh[name], kept[name]) for name in kept)


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 and then nothing"])
def test_a_file_that_holds_no_weights_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "maskrcnn.pth"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailableError, match="does not hold its weights"):
        load_mask_rcnn(CATALOGUE["maskrcnn"], [path], Settings(device="cpu"))


def test_the_second_version_has_its_own_layout() -> None:
    import torch

    torch.manual_seed(0)
    network: Any = build_network("maskrcnn-v2", **SMALL)
    assert sum(value.numel() for value in network.parameters()) == pytest.approx(46_359_409, rel=1e-3)
    set_by_hand(network, label=47, score=0.8)
    guess = MaskRcnn("maskrcnn-v2", network, "cpu").predict(photo())
    assert guess.facts["classes"] == "cup"


def jpeg(image: np.ndarray, *others: np.ndarray) -> bytes:
    """A JPEG, or with `others` an MPO: what phones with two lenses write."""
    stream = io.BytesIO()
    pictures = [PillowImage.fromarray(one) for one in (image, *others)]
    more = {"save_all": True, "append_images": pictures[1:]} if others else {}
    pictures[0].save(stream, "MPO" if others else "JPEG", quality=95, **more)
    return stream.getvalue()


@pytest.mark.parametrize("others", [(), (photo(),)], ids=["jpeg", "mpo"])
def test_a_photo_goes_through_the_whole_pipeline(
    others: tuple[Any, ...], found: MaskRcnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace()
    data = jpeg(photo(), *others)
    assert read_picture(data, ImageLimits()).image.shape == (90, 140, 3)
    options = MaskOptions(model="maskrcnn", instances=3, classes="Dog")
    engines = Engines(Settings(checkpoints_dir=tmp_path))
    monkeypatch.setattr(engines, "segmenter", lambda name: found)
    cutout = cut_out(data, options, engines=engines, trace=trace)
    found_by = cutout.report.as_json()["segmenter"]
    assert cutout.alpha.shape == (90, 140)
    assert found_by["name"] == "maskrcnn" and found_by["instances"] == 3 and found_by["classes"] == "dog, dog, dog"
    assert cutout.report.models[0] == ModelUse(id="maskrcnn", licence="BSD-3-Clause", commercial_use=True)


def test_weights_that_are_not_here_are_reported_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"not on this machine.*models fetch maskrcnn"):
        Engines(Settings(checkpoints_dir=tmp_path)).segmenter("maskrcnn")


@pytest.mark.parametrize(
    "options", [{"classes": "unicorn"}, {"instances": 0}, {"instances": "few"}, {"score_threshold": 0}]
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unicorn|instances|score_threshold"):
        MaskOptions(model="maskrcnn", **options)
