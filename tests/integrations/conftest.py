"""A service on a socket for the integrations, as a user of them has one."""

from collections.abc import Iterator

import pytest

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.in_process import InProcessRunner
from tests.helpers.on_a_socket import on_a_socket


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    settings = Settings(data_dir=folder / "data", logs_dir=folder / "logs", checkpoints_dir=folder, api_key="secret")
    with on_a_socket(create_app(settings, InProcessRunner(settings))) as address:
        yield address
