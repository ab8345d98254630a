"""The files of jobs in a bucket: what was put comes back, whole or in part, and goes when it is removed."""

from collections.abc import Iterator

import pytest

from backend.contract.errors import StorageFailedError
from backend.contract.work import File
from backend.jobs.records import JobIds, StoredFile
from tests.helpers.bucket import Bucket, bucket

pytest.importorskip("obstore", reason="obstore is not installed; requirements-cluster.txt has it")
from backend.jobs.objects import JobObjects

JOB, OTHER = (JobIds().next() for _ in range(2))
MASK = StoredFile("mask.png", "image/png", 5)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def objects(stand_in: Bucket) -> JobObjects:
    return JobObjects("s3://photos/of/jobs")


def test_what_was_kept_comes_back_under_the_folder_that_the_address_names(
    objects: JobObjects, stand_in: Bucket
) -> None:
    objects.keep_inputs(JOB, {"file": b"a photo", "mask": b""})
    objects.keep_results(JOB, [File("mask.png", "image/png", b"alpha"), File("report.json", "application/json", b"{}")])
    assert set(stand_in.objects) == {f"of/jobs/{place}" for place in (f"inputs/{JOB}/file", f"inputs/{JOB}/mask")} | {
        f"of/jobs/results/{JOB}/{name}" for name in ("mask.png", "report.json")
    }
    assert objects.inputs(JOB) == {"file": b"a photo", "mask": b""}
    result = objects.result(JOB, MASK)
    assert result.size() == 5
    assert b"".join(result.pieces(0, 5)) == b"alpha"
    assert b"".join(result.pieces(1, 3)) == b"lp"


def test_a_large_file_comes_in_pieces(objects: JobObjects) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB, which are also sent in parts
    objects.keep_results(JOB, [File("mask.png", "image/png", data)])
    pieces = list(objects.result(JOB, MASK).pieces(3, len(data)))
    assert len(pieces) > 1 and b"".join(pieces) == data[3:]


def test_removing_takes_the_files_of_one_job(objects: JobObjects, stand_in: Bucket) -> None:
    for job in (JOB, OTHER):
        objects.keep_inputs(job, {"file": b"a photo"})
        objects.keep_results(job, [File("mask.png", "image/png", b"alpha")])
    objects.remove_inputs(JOB)
    assert objects.inputs(JOB) is None and objects.result(JOB, MASK).size() == 5
    objects.remove(JOB)
    objects.remove(JOB)
    assert objects.stored_ids("inputs") == objects.stored_ids("results") == {OTHER} and len(stand_in.objects) == 2
    with pytest.raises(FileNotFoundError):
        objects.result(JOB, MASK).size()


def test_a_name_that_no_result_has_is_refused(objects: JobObjects, stand_in: Bucket) -> None:
    with pytest.raises(ValueError, match="no result is called"):
        objects.result(JOB, StoredFile("../../secret", "image/png", 1))
    with pytest.raises(ValueError, match="no result is called"):
        objects.keep_results(JOB, [File("../x.png", "image/png", b"alpha")])
    assert not stand_in.objects


def test_a_bucket_that_refuses_is_out_of_reach_and_loses_nothing(objects: JobObjects, stand_in: Bucket) -> None:
    objects.keep_inputs(JOB, {"file": b"a photo"})
    stand_in.broken = True
    for ask in (
        lambda: objects.keep_inputs(OTHER, {"file": b"another"}),
        lambda: objects.inputs(JOB),
        lambda: objects.remove(JOB),
        lambda: objects.result(JOB, MASK).size(),
    ):
        with pytest.raises(StorageFailedError):
            ask()
    stand_in.broken = False
    assert objects.inputs(JOB) == {"file": b"a photo"}
