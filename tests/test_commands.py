"""Every command of the README and of docs/ is run, or stands in a table with the reason why not.

Commands are the indented and fenced blocks of which a line starts with a program. They are run in a folder of their own
that has the files which they name, before a live service without weights; a new one is found by itself. Those that take
minutes are run by hand:

    ALL_COMMANDS=1 python -m pytest tests/test_commands.py
"""

import itertools
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.contract.settings import REPOSITORY
from backend.mesh.export import export_mesh
from backend.mesh.mesh import Mesh
from backend.mesh.placing import place
from tests.helpers.real_service import RealService, running
from tests.helpers.waiting import until

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PROGRAMS = "curl|python|pip|npm|git|nginx|sed|cp|install|systemctl|docker|kubectl|source|mattemesh|export|\\./[\\w.]+"
COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{PROGRAMS}) ")
LIBRARY = "from mattemesh import "
NETWORK, HUB = "needs the network", "needs a model hub"
NOT_RUN = {  # the start of a command: why it is not run here
    "git clone …": "the address is the reader's own; ./setup.sh run is run by tests/test_setup.py",
    "pip install": "changes an environment; tests/test_package.py installs the wheel",
    "npm ci": NETWORK,
    "source .venv": "changes the reader's shell",
    "docker": "needs Docker; tests/test_deploy.py reads the files",
    "kubectl": "needs a cluster; tests/test_deploy.py reads the files",
    "cp deploy/mattemesh.service": "needs systemd; tests/test_deploy.py reads the files",
    "install -m 0600": "needs systemd; tests/test_deploy.py reads the files",
    "systemctl": "needs systemd",
    "nginx -c": "needs nginx; tests/service/test_behind_nginx.py runs it where it is installed",
    "JOBS_URL=postgresql": "needs a database and a bucket; tests/service/test_shared_jobs.py has both",
    "REMOVEBG_API_KEY": "needs a key of another company",
    "python -m backend models fetch": HUB,
    "python benchmarks/cluster.py": "needs nginx, a database and a bucket",
    "python -m benchmarks.load": "takes an hour",
}
NEEDS = {  # a word of a command: what it needs and is not here
    "--model rembg:": HUB,
    "model=rembg:": HUB,
    "--model maskrcnn": HUB,
    "model=removebg": "needs a key of another company",
    "--model isnet-general-use": HUB,
    "om=true -F model=u2net": HUB,
    "cluster status": "needs a Ray cluster; tests/cluster has one",
    "--cluster ": "needs a Ray cluster; tests/cluster has one",
    "s3://": "needs a bucket; tests/folders/batch/test_buckets.py has one",
}
BY_HAND = "./setup.sh"  # minutes, and an environment of its own


@dataclass(frozen=True)
class Block:
    """The commands that stand together, or one example of the library."""

    document: Path
    line: int
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks_of(document: Path) -> Iterator[Block]:
    """Yield the fenced and indented blocks that have commands."""
    lines: list[str] = []
    fenced = after_blank = False
    for number, line in enumerate([*document.read_text().splitlines(), ""], 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or (line.startswith("    ") and (lines or after_blank)):
            lines.append(line)
            continue
        if lines:
            text = textwrap.dedent("\n".join(lines))
            found = (text,) if text.startswith(LIBRARY) else commands_in(text)
            if found:
                yield Block(document, number - len(lines), found)
            lines = []
        after_blank = line == ""


def commands_in(text: str) -> tuple[str, ...]:
    """Return the lines that start with a program, without comments; a backslash goes on in the next line."""
    plain = re.sub(r"\s{2,}#.*", "", re.sub(r"\\\n\s*", "", text))
    return tuple(line.strip() for line in plain.splitlines() if COMMAND.match(line))


def why_not(command: str) -> str | None:
    """Return why a command is not run here; None where it is."""
    starts = (why for start, why in NOT_RUN.items() if command.startswith(start))
    words = (why for word, why in NEEDS.items() if word in command)
    return next(itertools.chain(starts, words), None)


def is_run(command: str) -> bool:
    return why_not(command) is None and BY_HAND not in command


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
ALL = [command for block in BLOCKS for command in block.commands]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A debug bundle, as a zip."""
    place = tmp_path_factory.mktemp("bundle")
    photo = str(REPOSITORY / "examples" / "jug.jpg")
    assert main(["remove-bg", photo, "-o", str(place / "mask.png"), "--debug", str(place / "kept")]) == 0
    return Path(shutil.make_archive(str(place / "bundle"), "zip", place / "kept"))


@pytest.fixture
def folder(tmp_path: Path, bundle: Path) -> Path:
    """A folder that has the files which the commands name."""
    folder = tmp_path
    (folder / "examples").mkdir()
    small = Image.open(REPOSITORY / "examples" / "jug.jpg").resize((160, 120))
    examples = [f"examples/{path.stem}" for path in (REPOSITORY / "examples").glob("*.jpg")]
    for name in ("photo", *examples, "input", "front", "right", "back", "beach"):
        small.save(folder / f"{name}.jpg")
    ink = Image.new("RGB", (160, 120), (240, 238, 230))
    ink.paste((20, 30, 90), (40, 50, 120, 56))
    ink.save(folder / "signed.jpg")
    alpha = Image.new("L", small.size, 0)
    alpha.paste(255, (50, 30, 110, 100))
    alpha.save(folder / "mask.png")
    small.putalpha(alpha)
    small.save(folder / "cutout.png")
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32)
    faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    (folder / "model.glb").write_bytes(
        export_mesh(place(Mesh(corners, faces, colors=np.full((4, 3), 0.5, np.float32))))
    )
    for name in ("deploy", "integrations"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "LICENSE", folder)
    shutil.copy(bundle, folder / "bundle.zip")
    (folder / "photos").mkdir()
    shutil.copy(folder / "photo.jpg", folder / "photos")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealService]:
    with running(tmp_path_factory.mktemp("service"), ready=False, CACHE_BYTES="100000000") as service:
        yield service


@pytest.mark.parametrize("block", [block for block in BLOCKS if any(map(is_run, block.commands))], ids=str)
def test_the_commands_of_the_documents_work(
    block: Block, folder: Path, service: RealService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for command in filter(is_run, block.commands):
        if command.startswith(LIBRARY):
            exec(compile(command, str(block), "exec"), {"data": (folder / "photo.jpg").read_bytes()})
        elif command.startswith("python -m backend "):
            assert main(shlex.split(command)[3:]) == 0, command
        else:
            run_in_shell(command, folder, service)


@pytest.mark.skipif("ALL_COMMANDS" not in os.environ, reason="takes minutes: run by hand with ALL_COMMANDS=1")
@pytest.mark.parametrize("command", [command for command in ALL if BY_HAND in command and why_not(command) is None])
def test_the_commands_that_set_up_and_start_work(command: str, tmp_path: Path) -> None:
    command = command.replace("/tmp/", f"{tmp_path}/")
    if " run" not in command:
        subprocess.run(["bash", "-c", command], cwd=REPOSITORY, check=True)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"exec env {command.replace('--host 0.0.0.0', '')} --no-fetch --port {port}"
    process = subprocess.Popen(["bash", "-c", command], cwd=REPOSITORY)
    try:
        until(lambda: is_ready(port), 300)
    finally:
        process.terminate()
    assert process.wait(60) == 0


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def run_in_shell(command: str, folder: Path, service: RealService) -> None:
    """Run `command`; curl fails at an error of the service, and ID is that of the newest job."""
    command = command.replace("localhost:8000", service.address.removeprefix("http://"))
    if "/jobs/ID" in command:
        [newest] = service.get("/jobs?limit=1").json()["jobs"]  # its events end with it
        command = command.replace("/jobs/ID", f"/jobs/{newest['id']}")
    command = re.sub(r"^curl ", "curl --fail-with-body --silent --show-error --retry 200 --retry-delay 1 ", command)
    command = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", command.replace("/tmp/", f"{folder}/"))
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, command + done.stderr + done.stdout[-2000:]


def test_what_is_not_run_has_a_reason_that_still_applies() -> None:
    assert [start for start in NOT_RUN if not any(command.startswith(start) for command in ALL)] == []
    assert [word for word in (*NEEDS, BY_HAND) if not any(word in command for command in ALL)] == []
    assert len([command for command in ALL if is_run(command)]) > 40
