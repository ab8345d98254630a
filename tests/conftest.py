"""Fixtures for every test."""

import logging
import os
import signal
import uuid
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from tests.helpers.table import Table, empty_table

os.environ["CACHE_BYTES"] = "0"  # no test finds what another one kept; those of the cache ask for one


# A shell that starts the suite in the background has Ctrl-C ignored, which every process of a test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Each file runs in one process of several: what takes longest begins first, or one process ends alone with it.
LONGEST_FIRST = ("tests/web/test_page_in_browser.py", "tests/service/", "tests/folders/", "tests/test_package.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONGEST_FIRST) if item.nodeid.startswith(name)), len(LONGEST_FIRST))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_the_checkout(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    os.environ["CHECKPOINTS_DIR"] = str(tmp_path_factory.mktemp("checkpoints"))  # no test depends on what is in ours


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a DATA_DIR of its own: two services never share one."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path_factory.getbasetemp() / "data" / uuid.uuid4().hex))


@pytest.fixture(autouse=True)
def _own_log() -> None:
    """Undo what the service of an earlier test has set for the log: caplog would hear each record twice."""
    logger = logging.getLogger("mattemesh")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference pictures and numbers beside the checkout; tests that need it skip without it."""
    folder = Path(os.environ.get("MATTEMESH_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("the shared reference folder is not beside this checkout")
    return folder


@pytest.fixture
def table() -> Table:
    """A table before a wall, for scenes that depth can separate."""
    return empty_table()
