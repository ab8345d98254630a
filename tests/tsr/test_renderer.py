import math

import pytest
import torch

from tests.helpers.stand_in_weights import difference
from tsr.renderer import box_crossing, camera_rays, render_views


def test_views_are_the_published_ones(small):
    views = small.model.render(small.code, n_views=4, height=48, width=48)
    assert difference(views, small.numbers["render_views"]) < 2e-5


@pytest.mark.parametrize("size", [{"n_views": 0}, {"n_views": -1}, {"height": 0}, {"width": -3}])
def test_views_of_nothing_are_refused(small, size):
    with pytest.raises(ValueError, match="at least one"):
        small.model.render(small.code, **{"n_views": 1, "height": 8, "width": 8, **size})


class RedBox:
    """Opaque red inside |x| < 0.3, 0.2 < y < 0.5, 0.3 < z < 0.6: one corner of the frame, so that no axis can swap."""

    radius = 0.87

    def query(self, code, points):
        low, high = torch.tensor([-0.3, 0.2, 0.3]), torch.tensor([0.3, 0.5, 0.6])
        inside = ((points > low) & (points < high)).all(dim=1)
        return inside * 1e6, torch.tensor([1.0, 0.0, 0.0]).expand(len(points), 3)


def test_the_first_camera_sees_y_to_the_right_and_z_up_on_white():
    front, left = render_views(RedBox(), torch.empty(0), n_views=4, height=40, width=60, samples=64)[:2]
    rows, columns = torch.nonzero(front[..., 1] < 0.5, as_tuple=True)
    assert len(rows) > 10
    assert (columns >= 30).all() and (rows < 20).all()
    assert (front[0, 0] == 1).all() and (front[-1, 0] == 1).all()
    rows, columns = torch.nonzero(left[..., 1] < 0.5, as_tuple=True)  # from +y: x runs to the left, the box is centred
    assert abs(float(columns.float().mean()) - 29.5) < 1 and (rows < 20).all()


def test_rays_through_the_outermost_pixels_end_half_a_pixel_before_the_field_of_view():
    origin, directions = camera_rays(0.0, 100, 50)
    torch.testing.assert_close(origin, torch.tensor([1.9, 0.0, 0.0]))
    steepest = float(directions[0, 0, 2] / -directions[0, 0, 0])
    assert math.isclose(steepest, 0.99 * math.tan(math.radians(20)), rel_tol=1e-5)


def test_a_ray_enters_and_leaves_the_box_where_geometry_says():
    directions = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 3.0, 0.0]])
    entry, leave = box_crossing(torch.tensor([2.0, 0.0, 0.0]), directions, 0.5)
    torch.testing.assert_close((entry[0], leave[0]), (torch.tensor(1.5), torch.tensor(2.5)))
    assert (entry[1:] >= leave[1:]).all()  # away from the box, and past it


def test_a_camera_inside_the_box_starts_at_itself():
    entry, leave = box_crossing(torch.zeros(3), torch.tensor([[1.0, 0.0, 0.0]]), 0.5)
    assert entry[0] == 0 and leave[0] == 0.5
