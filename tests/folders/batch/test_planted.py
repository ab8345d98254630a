"""Whatever the manifest and the links of a results folder from elsewhere say, nothing outside it is touched."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.cli import main
from backend.contract.settings import REPOSITORY
from backend.folders.batch.manifest import MAX_LINE_BYTES, MAX_SENTENCES
from tests.helpers.drawn import encoded, toy
from tests.helpers.waiting import until

Folders = tuple[Path, Path]
RECORD = {"input": "a.png", "state": "done", "name": "a.png", "kind": "remove-bg", "output": "a.png", "digest": "0",
          "key": "0"}  # fmt: skip
DEEP: Any = "x"
for _ in range(400):
    DEEP = [DEEP]

pytestmark = pytest.mark.usefixtures("no_drawings")


@pytest.fixture
def planted(folders: Folders) -> Folders:
    """A picture, an empty OUT_DIR, and beside them a `home` with files of the user."""
    pictures, out = folders
    (pictures / "a.png").write_bytes(encoded(toy(64, 48)[0]))
    (pictures / "a" / "b.png").write_bytes(encoded(toy(48, 64)[0]))
    out.mkdir()
    for name in ("home/a.png", "home/thesis.docx", "home/new/letter.txt", "home/empty/only.png"):
        (out.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (out.parent / name).write_bytes(name.encode())
    return folders


def run(folders: Folders, *options: str) -> int:
    return main(["batch", str(folders[0]), "-o", str(folders[1]), "--jobs", "1", "--quality", "fast", *options])


def outside(folders: Folders) -> dict[str, tuple[bytes, int, int]]:
    """Return all that is not in OUT_DIR: contents, time and number of names, folders too."""
    root, out = folders[1].parent, folders[1].name
    return {
        str(path.relative_to(root)): (
            path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns, path.stat().st_mode,
        )
        for part in ("in", "home", "logs")
        for path in [root / part, *(root / part).rglob("*")]
        if path.exists() and path.name != out
    }  # fmt: skip


def write_manifest(out: Path, *rows: object) -> None:
    header = {"manifest": "mattemesh batch", "version": 1}
    lines = [row if isinstance(row, str) else json.dumps(row) for row in (header, *rows)]
    (out / "manifest.jsonl").write_text("\n".join(lines) + "\n")


HOSTILE: dict[str, dict[str, object]] = {
    "an output above": {"output": "../home/thesis.docx"},
    "an output above, named like a result": {"output": "../home/a.png"},
    "an output above, alone in its folder": {"output": "../home/empty/only.png"},
    "an output in review/ and above": {"output": "review/../../home/a.png"},
    "an output in outliers/ and above": {"output": "outliers/../../home/a.png"},
    "an absolute output": {"output": "/{home}/a.png"},
    "an absolute output behind review/": {"output": "review//{home}/a.png"},
    "an output with NUL": {"output": "a\0.png"},
    "an output that is the folder": {"output": "."},
    "an empty output": {"output": ""},
    "an output that is the manifest": {"output": "manifest.jsonl"},
    "an output that is the lock": {"output": ".mattemesh/lock"},
    "an output in .mattemesh": {"output": ".mattemesh/thumbnails/x.png"},
    "an output of another program": {"output": "thesis.docx"},
    "a name above": {"name": "../home/new/evil.png"},
    "an absolute name": {"name": "/{home}/new/evil.png"},
    "a name in debug/": {"name": "debug/a.png"},
    "a name with a half of a character": {"name": "\ud800.png"},
    "an input above": {"input": "../home/a.png"},
    "a digest that is a path": {"digest": "../../../home/"},
    "a key that is a path": {"key": "/../../"},
    "a huge size": {"size": [10**30, 10**30]},
    "a huge number of bytes": {"output_bytes": 10**40},
    "a negative number of points": {"points": -(10**9)},
    "seconds without end": {"seconds": float("1e999")},
    "coverage that is no number": {"coverage": "x"},
    "another kind": {"kind": ["remove-bg"]},
    "another state": {"state": "\x1b[2J"},
    "another grade": {"grade": "AA"},
    "advice that is no list": {"advice": "text"},
    "findings of objects": {"findings": [{"a": 1}]},
    "a detail that is a list": {"detail": [1]},
    "options nested deep": {"options": {"x": DEEP}},
    "a missing name": {"name": None},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_record_is_skipped_with_a_line_and_the_run_goes_on(
    planted: Folders, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    out = planted[1]
    (out / "thesis.docx").write_bytes(b"mine")
    home = str(out.parent / "home")[1:]
    row = {key: value.replace("{home}", home) if isinstance(value, str) else value
           for key, value in {**RECORD, **HOSTILE[what]}.items()}  # fmt: skip
    line = json.dumps(row).replace("Infinity", "1e999")
    write_manifest(out, line, {**RECORD, "input": "a/b.png", "name": "a/b.png", "output": "a/b.png"})
    before = outside(planted)
    assert run(planted, "--json") == 0
    printed = capsys.readouterr()
    assert outside(planted) == before
    assert printed.err.startswith("skipped: manifest.jsonl, line 2: ") and printed.err.count("\n") == 1
    assert "\x1b" not in printed.err
    summary = json.loads(printed.out.splitlines()[-1])
    assert (summary["done"], summary["skipped_records"]) == (2, 1)
    assert (out / "a.png").is_file() and (out / "a" / "b.png").is_file()
    assert (out / "thesis.docx").read_bytes() == b"mine"
    assert run(planted, "--json") == 0  # and its own records are good
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["new"] == 0


@pytest.mark.parametrize(
    "line",
    [
        "not JSON", "[1, 2]", "\0" * 40, "[" * 100_000, '{"input": ' + "[" * 100_000, '{"input": 9' + "9" * 5000 + "}",
        '{"input": NaN}', '{"state": "done"}', "{}", "null", '"a.png"', "\ufeff{}",
    ],
    ids=lambda line: ascii(line[:20]),
)  # fmt: skip
def test_a_line_that_is_no_record_is_passed_over(
    planted: Folders, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    write_manifest(planted[1], line)
    assert run(planted, "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_many_hostile_records_print_a_few_lines_and_are_all_counted(
    planted: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**RECORD, "output": f"../{number}.png"} for number in range(500)]
    write_manifest(planted[1], *rows, {**RECORD, "detail": "x" * MAX_LINE_BYTES})
    assert run(planted) == 0
    printed = capsys.readouterr().err
    assert printed.count("line ") == MAX_SENTENCES
    assert f"{501 - MAX_SENTENCES} more" in printed and "records of manifest.jsonl skipped: 501" in printed


def test_of_two_pictures_with_one_result_only_the_first_keeps_it(
    planted: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(planted[1], RECORD, {**RECORD, "input": "a/b.png", "name": "x.png", "output": "review/A.png"})
    before = outside(planted)
    assert run(planted, "--quiet") == 0
    assert "the record of a/b.png" in capsys.readouterr().err
    assert outside(planted) == before
    assert (planted[1] / "a.png").is_file() and (planted[1] / "a" / "b.png").is_file()


LINKS: dict[str, tuple[str, str, int]] = {  # in OUT_DIR -> in home; the exit status
    "of everything hidden": (".mattemesh", "", 1),
    "of the drafts": (".mattemesh/partial", "new", 1),
    "of the thumbnails": (".mattemesh/thumbnails", "new", 1),
    "of the lock": (".mattemesh/lock", "a.png", 1),
    "of the manifest": ("manifest.jsonl", "thesis.docx", 1),
    "of a manifest that is not there": ("manifest.jsonl", "absent.jsonl", 1),
    "of the report": ("report.html", "thesis.docx", 0),
    "of a result": ("a.png", "a.png", 0),
    "of a folder of results": ("a", "new", 1),
    "of review/": ("review", "new", 1),
    "of outliers/, without use": ("outliers", "new", 0),
    "of debug/": ("debug", "new", 1),
    "of a draft": (".mattemesh/partial/0", "thesis.docx", 0),
}


@pytest.mark.parametrize("what", LINKS)
def test_a_link_leads_nowhere(planted: Folders, capsys: pytest.CaptureFixture[str], what: str) -> None:
    pictures, out = planted
    place, target, status = LINKS[what]
    (out / place).parent.mkdir(parents=True, exist_ok=True)
    (out / place).symlink_to(out.parent / "home" / target)
    before = outside(planted)
    options = {"review": ["--min-grade", "A"], "debug": ["--debug"]}.get(place, [])
    if place == "review":  # its object runs into the edge: no A
        (pictures / "a.png").write_bytes(encoded(toy(64, 48)[0][:, 30:].copy()))
        before = outside(planted)
    assert run(planted, *options) == status
    assert outside(planted) == before
    assert status == 0 or f"{place} is a link" in capsys.readouterr().err


def test_hard_links_and_pipes_in_the_folder_change_nothing_outside(planted: Folders) -> None:
    out = planted[1]
    (out / ".mattemesh" / "partial").mkdir(parents=True)
    for name in ("manifest.jsonl", "report.html", ".mattemesh/lock", ".mattemesh/partial/0", "a.png"):
        os.link(out.parent / "home" / "thesis.docx", out / name)
    before = outside(planted)
    assert run(planted, "--quiet") == 0
    assert outside(planted) == before
    for name in ("manifest.jsonl", "report.html"):
        (out / name).unlink()
        os.mkfifo(out / name)
    assert run(planted, "--quiet") == 1  # refused, and at once
    (out / "manifest.jsonl").unlink()
    assert run(planted, "--quiet") == 0
    assert outside(planted) == before


@pytest.mark.parametrize("place", ["report.html", "manifest.jsonl", ".mattemesh/lock", "a.png"])
def test_a_folder_in_place_of_a_file_ends_in_a_sentence(
    planted: Folders, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (planted[1] / place).mkdir(parents=True)
    if place != "manifest.jsonl":
        write_manifest(planted[1], RECORD)  # `a.png` is the name of its result
    assert run(planted) == 1
    assert place in capsys.readouterr().err


def test_an_earlier_result_behind_a_link_is_left_where_it_is(planted: Folders) -> None:
    out = planted[1]
    (out / "old").symlink_to(out.parent / "home")
    write_manifest(out, {**RECORD, "output": "old/a.png", "output_bytes": len(b"home/a.png")})
    before = outside(planted)
    for options in (["--quiet"], ["--quiet", "--min-grade", "A"], ["--quiet", "--background", "white"]):
        assert run(planted, *options) == 0
        assert outside(planted) == before


def test_a_thumbnail_that_is_a_link_is_not_shown(planted: Folders) -> None:
    out = planted[1]
    assert run(planted, "--quiet") == 0
    secret = b"home/thesis.docx"
    for path in (out / ".mattemesh" / "thumbnails").iterdir():
        path.unlink()
        path.symlink_to(out.parent / "home" / "thesis.docx")
    before = outside(planted)
    assert run(planted, "--quiet") == 0
    assert base64.b64encode(secret) not in (out / "report.html").read_bytes() and outside(planted) == before


def test_a_results_folder_that_is_itself_a_link_is_the_users_own_choice(planted: Folders) -> None:
    pictures, out = planted
    (out.parent / "link").symlink_to(out)
    assert run((pictures, out.parent / "link"), "--quiet") == 0
    assert (out / "a.png").is_file() and (out / "report.html").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_watched_folder_skips_hostile_records_too(planted: Folders) -> None:
    pictures, out = planted
    write_manifest(out, {**RECORD, "output": "../home/thesis.docx"}, {**RECORD, "name": "../home/a.png"})
    before = outside(planted)
    command = [sys.executable, "-m", "backend", "batch", str(pictures), "-o", str(out), "--jobs", "1", "--watch"]
    process = subprocess.Popen([*command, "--quality", "fast", "--quiet"], cwd=REPOSITORY, stderr=subprocess.PIPE)
    try:
        until((out / "a.png").exists)
        until((out / "report.html").exists)
    finally:
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
    assert process.returncode == 0 and printed.count(b"skipped: manifest.jsonl") == 2
    assert outside(planted) == before


@pytest.mark.parametrize("place", ["analysis.html", "analysis.json", "plots"])
def test_links_in_the_folder_of_an_analysis_lead_nowhere(planted: Folders, place: str) -> None:
    pictures, out = planted
    (out / place).symlink_to(out.parent / "home" / ("new" if place == "plots" else "thesis.docx"))
    before = outside(planted)
    assert main(["analyze", str(pictures), "-o", str(out), "--jobs", "1", "--quiet"]) == int(place == "plots")
    assert outside(planted) == before
