"""A disk that is really full while a photo is received, or a result stored: 507, and 200 again when there is room."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.helpers.drawn import encoded
from tests.helpers.incidents import PHOTO
from tests.helpers.real_service import RealService
from tests.helpers.small_disk import fill

MEGABYTES = 2**20
LARGE = encoded(np.random.default_rng(2).integers(0, 256, (900, 800, 3), np.uint8))  # 2 MB: it is spooled


def test_a_full_spool_refuses_large_photos_alone(
    own_service: Callable[..., RealService], disk_of: Callable[[str, int], Path]
) -> None:
    disk = disk_of("spool", 4 * MEGABYTES)
    service = own_service(TMPDIR=str(disk))
    assert service.mask(LARGE).status == 200
    ballast = fill(disk)
    for path, options in (("/remove-bg", {}), ("/jobs", {"kind": "remove-bg"})):
        answer = service.post(path, {"file": LARGE}, model="stub", quality="fast", **options)
        assert answer.outcome == (507, "storage-full")
    assert service.mask(PHOTO).status == 200
    assert service.get("/readyz").status == 200
    ballast.unlink()
    assert service.mask(LARGE).status == 200
    assert list(disk.iterdir()) == []


def test_a_full_data_folder_refuses_jobs_and_goes_on_with_the_rest(
    own_service: Callable[..., RealService], disk_of: Callable[[str, int], Path]
) -> None:
    disk = disk_of("data", 12 * MEGABYTES)
    service = own_service(DATA_DIR=str(disk), CACHE_BYTES="1000000")
    before = service.ended(service.hand_in(PHOTO)["id"])
    ballast = fill(disk)
    answer = service.post("/jobs", {"file": LARGE}, kind="remove-bg", model="stub")
    assert answer.outcome == (507, "storage-full")
    assert service.mask(LARGE).status == 200  # needs no disk; the cache is skipped
    assert service.get(before["links"]["result"]).status == 200
    assert service.get("/readyz").status == 200
    ballast.unlink()
    assert service.ended(service.hand_in(PHOTO, feather_px="1")["id"])["state"] == "succeeded"
    service.until(lambda: not list((disk / "jobs" / "partial").iterdir()))
    assert service.terminate()[0] == 0


def test_a_result_that_finds_no_room_fails_its_job_and_later_ones_succeed(
    own_service: Callable[..., RealService], disk_of: Callable[[str, int], Path]
) -> None:
    disk = disk_of("data", 12 * MEGABYTES)
    service = own_service(DATA_DIR=str(disk))
    own = {"file": LARGE, "mask": encoded(np.full((900, 800), 255, np.uint8))}
    with service.stopped():
        job = service.post("/jobs", own, kind="remove-bg").json()
        service.until(lambda: service.job(job["id"])["state"] == "running")
        ballast = fill(disk, leave=256 * 1024)  # for the rows; the cutout is as large as the photo
    job = service.ended(job["id"])
    assert (job["state"], job["problem"]["code"]) == ("failed", "storage-full")
    assert service.get(job["links"]["result"]).outcome == (507, "storage-full")
    assert service.mask(PHOTO).status == 200
    ballast.unlink()
    again = service.post("/jobs", own, kind="remove-bg").json()
    assert service.ended(again["id"])["state"] == "succeeded"
    service.until(lambda: not list((disk / "jobs" / "partial").iterdir()))
