"""A client that leaves at any moment frees its place, and the next one is served."""

import pytest

from tests.helpers.incidents import MOMENTS, PHOTO, Moment, leave
from tests.helpers.real_service import RealService


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_client_that_leaves_is_forgotten(service: RealService, moment: Moment) -> None:
    service.until(service.idle)
    files = service.held()["server"].files
    leave(service, moment)
    assert service.mask(PHOTO).status == 200
    service.until(lambda: service.held()["server"].files <= files)
    assert service.left_over() == []
