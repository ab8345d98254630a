import pytest
import torch

from tests.helpers.stand_in_weights import difference
from tsr import radiance_field
from tsr.radiance_field import CPU_POINTS


def test_density_and_colour_are_the_published_ones(small):
    code = torch.from_numpy(small.numbers["scene_codes"][0])
    density, color = small.model.query(code, torch.from_numpy(small.numbers["points"]))
    assert difference(density.unsqueeze(1), small.numbers["density_act"]) < 2e-5
    assert difference(torch.log(density.unsqueeze(1)) + 1, small.numbers["density"]) < 2e-5
    assert difference(color, small.numbers["color"]) < 2e-5


def test_density_and_colour_alone_are_what_query_gives(small):
    points = torch.rand(100, 3) * 1.7 - 0.85
    scene = small.model.scene(small.code)
    density, color = small.model.query(small.code, points)
    torch.testing.assert_close(scene.density(points), density)
    torch.testing.assert_close(scene.color(points), color)


def test_the_answer_does_not_depend_on_where_the_chunks_are_cut(small):
    count = CPU_POINTS
    points = torch.rand(count + 5, 3) * 1.7 - 0.85
    density, _ = small.model.query(small.code, points)
    alone, _ = small.model.query(small.code, points[-7:])
    assert density.shape == (count + 5,)
    torch.testing.assert_close(density[-7:], alone)


def test_no_points_give_an_empty_answer(small):
    density, color = small.model.query(small.code, torch.empty(0, 3))
    assert density.shape == (0,) and color.shape == (0, 3)
    assert small.model.scene(small.code).lattice(4).density(torch.empty(0, 3, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("tables", [True, False])
def test_a_lattice_is_the_field_on_regular_points(small, monkeypatch, tables):
    if not tables:
        monkeypatch.setattr(radiance_field, "MAX_TABLE_ROWS", 0)
    resolution = 9
    lattice = small.model.scene(small.code).lattice(resolution)
    indices = torch.randint(0, resolution, (500, 3), generator=torch.Generator().manual_seed(0))
    indices[:2] = torch.tensor([[0, 0, 0], [8, 8, 8]])
    side = torch.linspace(-0.87, 0.87, resolution)
    density, _ = small.model.query(small.code, side[indices])
    torch.testing.assert_close(lattice.density(indices), density, atol=1e-5, rtol=2e-5)


def test_points_of_another_shape_are_refused(small):
    with pytest.raises(ValueError, match="points"):
        small.model.query(small.code, torch.zeros(5, 2))


def test_a_lattice_of_one_point_is_refused(small):
    with pytest.raises(ValueError, match="at least 2"):
        small.model.scene(small.code).lattice(1)
