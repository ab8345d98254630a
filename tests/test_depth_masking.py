"""The network agrees with the published one, and the masker hands its disparity to the pure functions."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from backend.contract.errors import InvalidParameterError
from backend.depth_masking import DepthMasker
from backend.engines.depth_anything import PATCH, network_input


@pytest.fixture(scope="module")
def golden(shared, tmp_path_factory):
    """The published network's outputs on stand-in weights, and those weights in a file."""
    sys.path.insert(0, str(shared / "golden"))
    import recipe

    sys.path.pop(0)
    table = json.loads((shared / "golden" / "depth_anything_v2_vits.json").read_text())
    state = recipe.state_dict(table["state"], table["seed"])
    path = tmp_path_factory.mktemp("weights") / "depth_anything_v2_vits.pth"
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, path)
    return np.load(shared / "golden" / "depth_anything_v2_vits.npz"), path


def test_the_network_agrees_with_the_published_one(golden):
    numbers, path = golden
    masker = DepthMasker.from_checkpoint(path, size=int(numbers["infer_image_size"]), device="cpu")
    output = masker.network.forward(torch.from_numpy(numbers["network_input"])).numpy()
    assert np.abs(output - numbers["network_output"]).max() < 1e-4
    predicted = masker.predict(numbers["photo_rgb"])
    assert predicted.dtype == np.float32
    assert np.abs(predicted - numbers["infer_image_output"]).max() < 1e-3


def test_the_network_agrees_at_the_size_it_was_trained_for(golden):
    """There no position is resized: what is left to differ is the network itself."""
    numbers, path = golden
    noise = np.random.RandomState(1).standard_normal((1, 3, 518, 518)).astype(np.float32)
    output = DepthMasker.from_checkpoint(path, device="cpu").network.forward(torch.from_numpy(noise))[0].numpy()
    assert np.abs(output[::16, ::16] - numbers["native_518_output_every_16"]).max() < 1e-4


def test_threads_share_one_network(golden):
    numbers, path = golden
    masker = DepthMasker.from_checkpoint(path, size=56, device="cpu")
    pictures = [np.roll(numbers["photo_rgb"], 20 * i, 1) for i in range(2)]
    alone = [masker.predict(picture) for picture in pictures]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(masker.predict, pictures))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() < 1e-5


@pytest.mark.parametrize("shape", [(210, 256), (256, 210), (1, 1), (1, 900), (13, 700), (500, 500)])
def test_the_network_sees_multiples_of_its_patch_and_no_endless_panorama(shape):
    pixels = network_input(np.full((*shape, 3), 128, np.uint8), 252)
    _, channels, rows, columns = pixels.shape
    assert channels == 3
    assert rows % PATCH == columns % PATCH == 0
    assert min(rows, columns) == 252
    assert max(rows, columns) <= 4 * 252
    assert np.ptp(pixels[0, 0]) < 1e-5  # a constant picture stays constant


class DrawnNetwork:
    """Stands in for the network: its disparity is drawn."""

    def __init__(self, disparity):
        self.disparity = disparity

    def predict(self, image):
        return self.disparity


def test_the_masker_makes_masks_and_maps_of_what_the_network_sees(table):
    jug = table.put((130, 70, 190, 180), 0.625, (190, 40, 40))
    masker = DepthMasker(DrawnNetwork(table.seen()))
    spoiled = jug.copy()
    spoiled[150:, 160:] = 0
    for mask in (spoiled, spoiled > 0.5, (spoiled * 255).astype(np.uint8)):
        fused = masker.hybrid_mask(table.image, mask)
        assert fused.dtype == np.float32
        assert np.abs(fused - jug).mean() < 0.25 * np.abs(spoiled - jug).mean()
    assert masker.create_depth_mask(table.image).shape == jug.shape
    assert masker.debug_depth_map(table.image).shape == table.image.shape
    assert masker.hybrid_mask(table.image, jug, strategy="union").min() >= 0


def test_wrong_arguments_are_refused(table, tmp_path):
    masker = DepthMasker(DrawnNetwork(table.seen()))
    with pytest.raises(ValueError, match="sizes differ"):
        masker.hybrid_mask(table.image, np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match="strategy"):
        masker.hybrid_mask(table.image, np.ones(table.disparity.shape, bool), strategy="mean")
    with pytest.raises(InvalidParameterError):
        DepthMasker.from_checkpoint(tmp_path / "none.pth", size=3)
