"""`batch` with buckets: the same results, records and refusals as with folders, and nothing lost by a kill."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.cli import main
from backend.contract.errors import InvalidParameterError
from backend.folders.batch import buckets
from backend.folders.batch.manifest import Manifest, Record
from tests.helpers.bucket import Bucket, bucket
from tests.helpers.drawn import encoded, toy

pytest.importorskip("obstore", reason="obstore is not installed; requirements-cluster.txt has it")
from backend.folders.batch.buckets import BucketSource, OutBucket
from backend.folders.bucket import Bucket as Opened

PNG = encoded(toy(60, 48)[0])
JPEG = encoded(toy(60, 48)[0], "JPEG")
RECORD = Record("a/x.jpg", "done", "a/x.png", output="a/x.png", output_bytes=5)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "checkpoints"))
    with bucket() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def run(source: Path | str, out: Path | str, *options: str) -> int:
    return main(["batch", str(source), "-o", str(out), "--jobs", "1", "--quality", "fast", *options])


def summary(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return last


def results(stand_in: Bucket, part: str = "cut/") -> dict[str, bytes]:
    inside = {key.removeprefix(part): data for key, data in stand_in.objects.items() if key.startswith(part)}
    return {name: data for name, data in inside.items() if not name.startswith(".mattemesh/")}


@pytest.mark.usefixtures("no_drawings")
def test_a_bucket_is_done_once_then_only_what_is_new_changed_or_failed(
    stand_in: Bucket, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = {
        "a/x.jpg": JPEG,
        "a/x.png": PNG,
        "b.png": PNG,
        "broken.jpg": JPEG[:600],
        "notes.txt": b"-",
        ".h/y.png": PNG,
    }
    stand_in.objects |= {f"in/{name}": data for name, data in files.items()}
    assert run("s3://photos/in/", "s3://photos/cut", "--json") == 1
    figures = summary(capsys)
    assert (figures["done"], figures["failed"], figures["new"]) == (3, 1, 4)
    first = results(stand_in)
    assert set(first) == {"a/x.jpg.png", "a/x.png.png", "b.png", "manifest.jsonl", "report.html"}
    assert first["report.html"].count(b"data:image/webp;base64") == 3
    lines = [json.loads(line) for line in first["manifest.jsonl"].splitlines()]
    assert {line["input"] for line in lines[1:]} == {"a/x.jpg", "a/x.png", "b.png", "broken.jpg"} and len(lines) == 5
    assert not [key for key in stand_in.objects if key.startswith("cut/.mattemesh/manifest/")]

    (pictures := tmp_path / "same").mkdir()
    (pictures / "b.png").write_bytes(PNG)
    assert run(pictures, tmp_path / "cut", "--quiet") == 0
    assert first["b.png"] == (tmp_path / "cut" / "b.png").read_bytes()

    stand_in.objects["in/b.png"] = encoded(toy(60, 48)[0][:, ::-1])
    stand_in.objects["in/new.png"] = PNG
    del stand_in.objects["cut/a/x.jpg.png"]
    stand_in.reads.clear()
    assert run("s3://photos/in", "s3://photos/cut", "--json") == 1
    figures = summary(capsys)
    assert (figures["done"], figures["failed"], figures["new"]) == (4, 1, 4)
    assert "in/a/x.png" not in stand_in.reads
    assert results(stand_in)["a/x.jpg.png"] == first["a/x.jpg.png"] and results(stand_in)["b.png"] != first["b.png"]


@pytest.mark.usefixtures("no_drawings")
def test_a_folder_into_a_bucket_and_a_bucket_into_a_folder(stand_in: Bucket, tmp_path: Path) -> None:
    (pictures := tmp_path / "in").mkdir()
    (pictures / "x.png").write_bytes(PNG)
    assert run(pictures, "s3://photos/cut", "--quiet") == 0
    stand_in.objects["in/x.png"] = PNG
    assert run("s3://photos/in", tmp_path / "out", "--quiet") == 0
    assert (tmp_path / "out" / "x.png").read_bytes() == stand_in.objects["cut/x.png"]


@pytest.mark.usefixtures("no_drawings")
def test_a_worse_grade_moves_to_review_and_back_without_new_work(
    stand_in: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = toy()[0][:, 55:]  # its object runs into the left edge
    stand_in.objects["in/cut.png"] = encoded(np.ascontiguousarray(cut))
    run("s3://photos/in", "s3://photos/cut", "--json")
    grade = json.loads(stand_in.objects["cut/manifest.jsonl"].splitlines()[1])["grade"]
    assert grade > "A"
    capsys.readouterr()
    for options, place in ((("--min-grade", "A"), "cut/review/cut.png"), ((), "cut/cut.png")):
        run("s3://photos/in", "s3://photos/cut", "--json", *options)
        assert summary(capsys)["new"] == 0
        assert [key for key in stand_in.objects if key.endswith("cut.png")] == ["in/cut.png", place]


@pytest.mark.usefixtures("no_drawings")
def test_results_of_this_and_of_other_runs_are_no_pictures(stand_in: Bucket) -> None:
    stand_in.objects |= {
        "in/x.png": PNG,
        "in/old/manifest.jsonl": b'{"manifest": "mattemesh batch", "version": 1}\n',
        "in/old/deep/y.png": PNG,
        "in/cut/z.png": PNG,
    }
    found = BucketSource(Opened("s3://photos/in"), leave_out="cut").find()
    assert found.pictures == ["x.png"] and set(found.skipped) == {"old/"}
    assert run("s3://photos/in", "s3://photos/in/cut", "--quiet") == 0
    assert {"manifest.jsonl", "x.png", "z.png"} <= set(results(stand_in, "in/cut/"))


@pytest.mark.parametrize(
    ("source", "out", "options", "said"),
    [
        ("ftp://photos/in", "{tmp}/out", (), "s3://…, gs://… and abfs://…"),
        ("s3://photos/in", "http://photos/cut", (), "s3://…, gs://… and abfs://…"),
        ("s3://", "{tmp}/out", (), "no bucket"),
        ("abfs://container/in", "{tmp}/out", (), "Account must be specified"),
        ("s3://other/in", "{tmp}/out", (), "There is no bucket s3://other/in"),
        ("s3://photos/in", "s3://other/cut", (), "There is no bucket s3://other/cut"),
        ("s3://photos/in", "s3://photos/in", (), "holds the pictures"),
        ("s3://photos/in/", "s3://photos//in", (), "holds the pictures"),
        ("s3://photos/in", "s3://photos", (), "holds the pictures"),
        ("s3://photos/none", "{tmp}/out", (), "There is no picture in s3://photos/none"),
        ("s3://photos/in", "s3://photos/cut", ("--watch",), "--watch needs folders"),
        ("s3://photos/in", "s3://photos/cut", ("--quality-handling",), "--quality-handling needs folders"),
        ("{tmp}/none", "s3://photos/cut", (), "There is no folder"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_and_nothing_is_written(
    source: str,
    out: str,
    options: tuple[str, ...],
    said: str,
    stand_in: Bucket,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in.objects["in/x.png"] = PNG
    before = dict(stand_in.objects)
    assert run(source.format(tmp=tmp_path), out.format(tmp=tmp_path), *options) == 1
    assert said in capsys.readouterr().err
    assert stand_in.objects == before and not (tmp_path / "out").exists()


def test_wrong_keys_are_named(stand_in: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.objects["in/x.png"] = PNG
    stand_in.broken = True
    for source, out in (("s3://photos/in", tmp_path / "out"), (tmp_path, "s3://photos/cut")):
        (tmp_path / "x.png").write_bytes(PNG)
        assert run(source, out) == 1
        assert "refuses these keys" in capsys.readouterr().err
    assert list(stand_in.objects) == ["in/x.png"]


def test_without_the_library_its_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("backend.folders.bucket.find_spec", lambda name: None)
    assert run("s3://photos/in", tmp_path / "out") == 1
    assert "requirements-cluster.txt" in capsys.readouterr().err


def opened() -> Manifest:
    return Manifest(OutBucket(Opened("s3://photos/cut")))


def test_a_killed_run_leaves_parts_which_the_next_run_reads_and_joins(
    stand_in: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "PART_EVERY_S", -1.0)
    killed = opened()
    for state in ("failed", "done"):
        killed.append(Record("a/x.jpg", state, "a/x.png"))  # type: ignore[arg-type]
    killed.append(Record("b.jpg", "working", "b.png"))
    parts = {key: data for key, data in stand_in.objects.items() if "manifest" in key}
    assert len(parts) == 2

    following = opened()
    assert {name: record.state for name, record in following.records.items()} == {"a/x.jpg": "done"}
    following.append(Record("c.jpg", "done", "c.png"))
    following.append(Record("a/x.jpg", "failed", "a/x.png"))
    following.close()
    assert [key for key in stand_in.objects if "manifest" in key] == ["cut/manifest.jsonl"]

    stand_in.objects |= parts  # as if they could not be removed
    last = opened()
    assert {name: record.state for name, record in last.records.items()} == {"a/x.jpg": "failed", "c.jpg": "done"}


@pytest.mark.usefixtures("no_drawings")
def test_what_a_killed_run_has_written_keeps_its_name(stand_in: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.objects["in/x.png"] = PNG
    monkeypatch.setattr(buckets.ManifestParts, "close", lambda *_: None)  # and with it the last part is lost
    assert run("s3://photos/in", "s3://photos/cut", "--quiet") == 0
    monkeypatch.undo()
    for name, value in stand_in.environment.items():
        monkeypatch.setenv(name, value)
    assert "cut/x.png" in stand_in.objects
    assert [record.state for record in opened().records.values()] == ["working"]
    assert run("s3://photos/in", "s3://photos/cut", "--quiet") == 0
    assert {name for name in results(stand_in) if name.endswith("png")} == {"x.png"}


def test_a_manifest_that_nothing_was_added_to_is_not_written_again(stand_in: Bucket) -> None:
    first = opened()
    first.append(RECORD)
    first.close()
    stand_in.objects["cut/manifest.jsonl"] += b" "
    opened().close()
    assert stand_in.objects["cut/manifest.jsonl"].endswith(b" ")


def test_two_runs_at_once_do_not_lose_each_others_records(stand_in: Bucket) -> None:
    one, two = opened(), opened()
    one.append(RECORD)
    two.append(Record("b.jpg", "done", "b.png"))
    one._log.flush()
    with pytest.raises(InvalidParameterError, match="Another run is writing to s3://photos/cut"):
        two.close()
    assert list(opened().records) == ["a/x.jpg"]
