import torch

from tsr.triplane import sample_planes


def test_each_plane_is_read_along_its_own_two_axes():
    ramp = torch.linspace(-0.75, 0.75, 4)  # cell centres of a plane four cells wide
    columns, rows = ramp.expand(4, 4), ramp[:, None].expand(4, 4)
    planes = torch.stack([torch.stack([columns, rows])] * 3)
    x, y, z = 0.1, -0.3, 0.6
    samples = sample_planes(planes, torch.tensor([[x, y, z]]))[:, 0]
    torch.testing.assert_close(samples, torch.tensor([[x, y], [x, z], [y, z]]))


def test_outside_the_box_there_is_nothing():
    planes = torch.ones(3, 2, 4, 4)
    assert (sample_planes(planes, torch.tensor([[1.5, 1.5, 1.5]])) == 0).all()
