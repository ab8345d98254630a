"""What a worker process inherits."""

import os
import sys

import pytest

from backend.contract.settings import REPOSITORY
from backend.workers.spawn import _environment

HERE = str(REPOSITORY)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["/lib/python", "/venv/site-packages", HERE], ["/lib/python", "/venv/site-packages", HERE]),  # installed there
        (["", "/lib/python"], [HERE, "/lib/python"]),  # `python -c` in the checkout
        ([HERE, "/lib/python"], [HERE, "/lib/python"]),
    ],
)
def test_a_worker_looks_for_modules_in_the_service_s_order(
    path: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", path)
    assert _environment((), 0)["PYTHONPATH"].split(os.pathsep) == expected
