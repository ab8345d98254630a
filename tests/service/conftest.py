"""A real service, ended in any case; a small disk."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers.real_service import RealService, running
from tests.helpers.small_disk import small_disk
from tests.helpers.stub_networks import stub_networks


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealService]:
    """The service that the tests share which leave it as it was. It ends in good order, or they have failed."""
    folder = tmp_path_factory.mktemp("service")
    with running(folder, stub_networks, MAX_WAITING="4", MASK_DEADLINE_S="60", THREADS="1") as service:
        yield service
        assert service.terminate() == (0, [])
        assert "Traceback" not in service.output()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Callable[..., RealService]]:
    """A function that starts a service of the test's own, with the stub networks and the settings it is given."""
    begun = []

    def start(**settings: str) -> RealService:
        context = running(tmp_path / str(len(begun)), stub_networks, **{"THREADS": "1", **settings})
        begun.append(context)
        return context.__enter__()

    yield start
    for context in begun:
        context.__exit__(None, None, None)


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """A function that mounts a disk of a given size, in bytes, at a place in the test's folder."""
    with ExitStack() as disks:
        yield lambda name, size: disks.enter_context(small_disk(tmp_path / name, size))
