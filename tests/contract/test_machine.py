"""The memory that we may take, and the size of a picture that follows from it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.contract import machine
from backend.contract.machine import LEAST_PIXELS, MOST_PIXELS, about_max_pixels, fitting_pixels, memory_bytes
from backend.contract.settings import Settings

GB = 10**9


def write(folder: Path, name: str, text: str) -> None:
    path = folder / "cgroup" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("lines", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "2000000000\n"}, (2 * GB, "cgroup")),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "3000000000\n"}, (3 * GB, "cgroup")),
        ("0::/not/here\n", {"memory.max": "1000000000\n"}, (GB, "cgroup")),  # a container: the path is the host's
        ("4:cpu,memory:/a\n", {"memory/a/memory.limit_in_bytes": "1000000000\n"}, (GB, "cgroup")),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, (8 * GB, "machine")),
        ("4:cpu:/a\n0::/\n", {"cpu/a/memory.limit_in_bytes": "1\n"}, (8 * GB, "machine")),
        ("0::/../..\n", {"memory.max": "rubbish\n"}, (8 * GB, "machine")),
        ("", {}, (8 * GB, "machine")),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, lines: str, limits: dict[str, str], expected: tuple[int, str]
) -> None:
    (tmp_path / "own").write_text(lines)
    for name, text in limits.items():
        write(tmp_path, name, text)
    assert memory_bytes(tmp_path / "cgroup", tmp_path / "own", 8 * GB) == expected


def test_a_machine_without_cgroups_has_its_memory(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path, tmp_path / "absent", 8 * GB) == (8 * GB, "machine")


@given(st.integers(0, 10**12), st.integers(1, 64), st.integers(1, 16))
def test_more_memory_never_allows_less_and_more_work_never_allows_more(memory: int, workers: int, at_once: int) -> None:
    pixels = fitting_pixels(memory, workers, at_once)
    assert LEAST_PIXELS <= pixels <= MOST_PIXELS
    assert fitting_pixels(2 * memory, workers, at_once) >= pixels
    assert fitting_pixels(memory, workers + 1, at_once) <= pixels
    assert fitting_pixels(memory, workers, at_once + 1) <= pixels


def test_the_default_follows_memory_and_workers_and_a_setting_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: (64 * GB, "machine"))
    assert Settings().max_pixels == MOST_PIXELS
    monkeypatch.setattr(machine, "memory_bytes", lambda: (2 * GB, "cgroup"))
    small = Settings()
    assert LEAST_PIXELS < small.max_pixels < MOST_PIXELS
    assert Settings(mask_workers=4).max_pixels < small.max_pixels
    assert Settings(max_pixels=30_000_000).max_pixels == 30_000_000
    assert "cgroup's limit of 2.0 GB" in about_max_pixels(small.max_pixels, False)
    assert about_max_pixels(30_000_000, True) == "pictures of up to 30 megapixels, as MAX_PIXELS says"
