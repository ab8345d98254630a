"""The wheel: everything is in it, and from an environment elsewhere the README's lines and the service run."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backend.contract.settings import REPOSITORY
from backend.contract.versions import __version__
from tests.helpers.real_service import running

PACKAGES = ("mattemesh", "backend", "tsr")
SOURCES = (*PACKAGES, "examples", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and the checkout's libraries behind it; `folder` is the user's home."""

    wheel: Path
    programs: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        ours = ("PYTHONPATH", "XDG_DATA_HOME", "DATA_DIR", "LOGS_DIR", "CHECKPOINTS_DIR")
        return {**{k: v for k, v in os.environ.items() if k not in ours}, "HOME": str(self.folder)}

    def run(self, program: str, *arguments: str) -> str:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    if importlib.util.find_spec("setuptools") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("pip and setuptools, which build the wheel, are not in this environment")
    folder = tmp_path_factory.mktemp("package")
    source, home = folder / "source", folder / "home"
    for name in (*SOURCES, *(path.name for path in REPOSITORY.glob("requirements*.txt"))):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(REPOSITORY / name, source / name)
    if (REPOSITORY / "node_modules").is_dir():
        (source / "node_modules").symlink_to(REPOSITORY / "node_modules")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, cwd=folder)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True
    )
    libraries = Path(pytest.__file__).parent.parent
    Path(own.stdout.decode().strip(), "libraries.pth").write_text(f"{libraries}\n")
    home.mkdir()
    shutil.copy(REPOSITORY / "examples" / "jug.jpg", home / "photo.jpg")
    return Installed(wheel, python.parent, home)


def test_the_wheel_has_every_file_of_the_packages(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        packed = set(wheel.namelist())
    files = {path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file()}
    expected = {str(path.relative_to(REPOSITORY)) for path in files if "__pycache__" not in path.parts}
    assert expected <= packed
    assert not [name for name in packed if name.endswith(".pyc") or name.startswith(("tests/", "benchmarks/"))]


def test_the_readme_s_python_lines_run(installed: Installed) -> None:
    text = (REPOSITORY / "README.md").read_text().split("Or from Python:\n\n")[1]
    lines = textwrap.dedent(re.match(r"(?:    .*\n)+", text)[0])  # type: ignore[index]
    where = "import backend; print(backend.__file__)"
    assert str(REPOSITORY) not in installed.run("python", "-c", f"{lines}\n{where}")
    assert (installed.folder / "cutout.png").read_bytes().startswith(b"\x89PNG")
    assert (installed.folder / "model.glb").read_bytes().startswith(b"glTF")


def test_the_command_says_its_version(installed: Installed) -> None:
    assert installed.run("mattemesh", "--version") == f"mattemesh {__version__}\n"
    assert installed.run("mattemesh", "--help").startswith("usage: mattemesh ")


def test_its_folders_are_the_users_own(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHECKPOINTS_DIR")
    code = (
        "from backend.contract.settings import Settings as S; s = S(); print(s.checkpoints_dir, s.logs_dir, s.data_dir)"
    )
    for folder in installed.run("python", "-c", code).split():
        assert folder.startswith(str(installed.folder))


def test_the_import_is_light(installed: Installed) -> None:
    code = "import mattemesh, sys; print(*{'numpy', 'cv2', 'torch', 'onnxruntime'} & set(sys.modules))"
    assert installed.run("python", "-c", code).strip() == ""


def test_its_service_shows_the_page_and_cuts_out(installed: Installed, tmp_path: Path) -> None:
    program = (str(installed.programs / "mattemesh"),)
    with running(tmp_path, program=program, cwd=installed.folder, ready=False) as service:
        address = service.address
        facts = httpx.get(f"{address}/static/page.json").json()
        assert len(facts["examples"]) == 5
        assert httpx.get(f"{address}{facts['examples'][0]['href']}").headers["content-type"] == "image/jpeg"
        assert bool(facts["viewer"]) == (REPOSITORY / "node_modules" / "@google").is_dir()
        assert "/static/page.en.js" in httpx.get(address).text
        assert httpx.get(f"{address}/static/page.en.js").status_code == 200
        assert httpx.get(f"{address}/openapi.json").json()["info"]["version"] == __version__
        assert httpx.get(f"{address}/health").json()["versions"]["mattemesh"] == __version__
        files = {"file": (installed.folder / "photo.jpg").read_bytes()}
        mask = httpx.post(f"{address}/remove-bg", files=files, timeout=60)
        assert mask.content.startswith(b"\x89PNG")
