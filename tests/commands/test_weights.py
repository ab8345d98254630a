"""`models fetch`: what is said, and what is not begun."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.cli import main
from tests.helpers.weights_server import WeightsServer, serving


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsServer]:
    """An empty mirror, and no other source."""
    with serving() as mirror:
        for name, value in {
            "MODEL_MIRROR": mirror.address,
            "MODEL_SOURCES": "releases",
            "NO_PROXY": "127.0.0.1",
            "CHECKPOINTS_DIR": str(tmp_path / "checkpoints"),
        }.items():
            monkeypatch.setenv(name, value)
        yield mirror


def test_a_mistyped_name_is_told_before_anything_is_fetched(
    mirror: WeightsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "fetch", "u2netp", "siluetta"]) == 1
    assert mirror.requests == []
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "invalid-parameter: There is no model of that name. Did you mean silueta? All names: "
        "python -m backend models list"
    ]


def test_each_model_that_cannot_be_fetched_has_one_line_with_its_reason(
    mirror: WeightsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "fetch", "u2netp", "silueta"]) == 1
    said = [line.strip() for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert [line.partition(":")[0] for line in said] == ["u2netp", "silueta"]
    assert all("404" in line for line in said)
