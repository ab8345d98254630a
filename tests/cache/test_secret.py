"""The secret of the cache: one for all processes of a DATA_DIR, and unknown to those who only write to the store."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend.cache.cache import Cache
from backend.cache.results import find_result, keep_result
from backend.cache.secret import SECRET_BYTES, cache_secret
from backend.contract.settings import Settings
from backend.contract.work import Done, File
from tests.helpers.cache_stores import SECRET, MemoryStore

DONE = Done((File("mask.png", "image/png", b"mask"),))


def test_every_process_of_a_data_folder_has_the_same_secret_that_no_other_user_can_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(cache_secret, [settings] * 32))
    assert len(found) == 1 and len(found.pop()) == SECRET_BYTES
    assert stat.S_IMODE((tmp_path / "data" / "cache.secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cache.secret"]
    assert cache_secret(Settings(data_dir=tmp_path / "other")) != cache_secret(settings)


def test_machines_share_the_secret_of_the_setting(tmp_path: Path) -> None:
    shared = [Settings(data_dir=tmp_path / name, cache_secret=SecretStr("sixteen letters!")) for name in "ab"]
    assert cache_secret(shared[0]) == cache_secret(shared[1])


def test_a_data_folder_that_cannot_be_written_gives_a_secret_all_the_same() -> None:
    assert len(cache_secret(Settings(data_dir=Path("/dev/null/data")))) == SECRET_BYTES


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names and no devices")
@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "/dev/null"])
def test_a_pipe_or_a_device_in_its_place_is_no_secret(tmp_path: Path, place: str) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / "cache.secret")
    else:
        (tmp_path / "cache.secret").symlink_to(place)
    found = cache_secret(Settings(data_dir=tmp_path))
    assert len(found) == SECRET_BYTES and any(found)


def test_an_entry_that_another_secret_has_sealed_is_a_miss(tmp_path: Path) -> None:
    store = MemoryStore()
    keep_result(Cache(store, lambda: b"another" * 5), "key", DONE)
    assert store.entries
    assert find_result(Cache(store, lambda: SECRET), "key", tmp_path) is None
    keep_result(Cache(store, lambda: SECRET), "key", DONE)
    assert find_result(Cache(store, lambda: SECRET), "key", tmp_path) == DONE
