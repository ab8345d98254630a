"""The Blender add-on: its waiting with a stand-in for Blender and a service of ours, and all of it in a real Blender.

The real one is the package bpy, which is not installed with the project: MATTEMESH_BPY names a Python that has it.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import httpx
import pytest
from PIL import Image

from backend.contract.options import MeshOptions
from backend.contract.settings import REPOSITORY, Settings
from backend.main import create_app
from tests.helpers.drawn import encoded, toy
from tests.helpers.in_process import InProcessRunner
from tests.helpers.on_a_socket import on_a_socket
from tests.helpers.packed import imported, packed
from tests.helpers.scripted_runner import ScriptedRunner, endless
from tests.helpers.waiting import until

TIMER, ESC = SimpleNamespace(type="TIMER", value="NOTHING"), SimpleNamespace(type="ESC", value="PRESS")
MOUSE = SimpleNamespace(type="MOUSEMOVE", value="NOTHING")


class Thing:
    """A datablock."""

    name, parent, location, rotation_mode = "from the file", None, (0.0, 0.0, 0.0), "QUATERNION"


class Blender:
    """What of Blender the add-on uses: a scene, a window with a timer, and an importer of GLBs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.imported: list[bytes] = []
        self.timers = 0
        self.status: str | None = None
        self.importer_fails = False
        self.online = False
        self.data = SimpleNamespace(objects=[Thing()], meshes=[], materials=[], images=[])
        workspace = SimpleNamespace(status_text_set=self._set_status)
        window_manager = SimpleNamespace(
            event_timer_add=self._add_timer, event_timer_remove=self._remove_timer, modal_handler_add=lambda _: True
        )
        cursor = SimpleNamespace(location=(1.0, 2.0, 3.0))
        self.preferences = SimpleNamespace(address="", key="", quality="fast", engine="relief")
        self.context = SimpleNamespace(
            mode="OBJECT",
            window=object(),
            window_manager=window_manager,
            workspace=workspace,
            scene=SimpleNamespace(cursor=cursor),
            preferences=SimpleNamespace(addons=self),
        )

    def __getitem__(self, package: str) -> Any:
        return SimpleNamespace(preferences=self.preferences)

    def module(self) -> Any:
        bpy = ModuleType("bpy")
        types = SimpleNamespace(AddonPreferences=object, Operator=object, Object=Thing, IMPORT_SCENE_OT_gltf=object)
        names = ("StringProperty", "EnumProperty", "FloatProperty")
        props = SimpleNamespace(**{name: lambda **_: str for name in names})
        app = SimpleNamespace(background=False, tempdir=str(self.folder), online_access=self.online)
        ops = SimpleNamespace(import_scene=SimpleNamespace(gltf=self._import))
        path = SimpleNamespace(abspath=lambda path: path)
        for name, value in {
            "types": types,
            "props": props,
            "app": app,
            "ops": ops,
            "data": self.data,
            "path": path,
        }.items():
            setattr(bpy, name, value)
        return bpy

    def _set_status(self, text: str | None) -> None:
        self.status = text

    def _add_timer(self, seconds: float, window: object) -> object:
        self.timers += 1
        return object()

    def _remove_timer(self, timer: object) -> None:
        self.timers -= 1

    def _import(self, filepath: str) -> None:
        if self.importer_fails:
            raise RuntimeError("Error: no room")
        self.imported.append(Path(filepath).read_bytes())
        for kind in (self.data.objects, self.data.meshes, self.data.materials, self.data.images):
            kind.append(Thing())


@pytest.fixture
def blender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blender:
    blender = Blender(tmp_path)
    monkeypatch.setitem(sys.modules, "bpy", blender.module())
    return blender


@pytest.fixture
def operator(blender: Blender, tmp_path: Path) -> Any:
    """The operator with a photo picked, as Blender makes it; what it reports is in `said`."""
    photo = tmp_path / "mug.png"
    photo.write_bytes(encoded(toy()[0]))
    operator = imported("blender", tmp_path / "package").MATTEMESH_OT_import_photo()
    operator.filepath, operator.height_m, operator.said = str(photo), 0.5, []
    operator.report = lambda kind, text: operator.said.append((*kind, text))
    return operator


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    settings = Settings(data_dir=folder / "data", logs_dir=folder / "logs", checkpoints_dir=folder)
    with on_a_socket(create_app(settings, InProcessRunner(settings))) as address:
        yield address


def ended(operator: Any, blender: Blender) -> set[str]:
    """Return what the operator ends with, at the first timer event after the service has answered."""
    until(lambda: not operator._request.is_alive())
    outcome: set[str] = operator.modal(blender.context, TIMER)
    return outcome


def test_blender_stays_usable_until_the_mesh_stands_at_the_cursor(
    operator: Any, blender: Blender, address: str
) -> None:
    blender.preferences.address = address
    assert operator.execute(blender.context) == {"RUNNING_MODAL"} and blender.timers == 1
    assert operator.modal(blender.context, MOUSE) == {"PASS_THROUGH"}
    assert ended(operator, blender) == {"FINISHED"}
    assert blender.imported[0].startswith(b"glTF")
    old, new = blender.data.objects
    assert (old.name, old.location) == ("from the file", (0, 0, 0))
    assert (new.name, new.location, new.rotation_mode) == ("mug", (1, 2, 3), "XYZ")
    assert {kind[-1].name for kind in vars(blender.data).values()} == {"mug"}
    assert (blender.timers, blender.status) == (0, None)
    assert {kind for kind, _ in operator.said} == {"INFO"} and "border" in operator.said[0][1]  # the report's notes
    assert not list(blender.folder.glob("*.glb"))


@pytest.mark.parametrize("by", ["the Esc key", "Blender itself"])
def test_a_cancel_ends_at_once_and_ends_the_job(by: str, operator: Any, blender: Blender, tmp_path: Path) -> None:
    with on_a_socket(create_app(Settings(data_dir=tmp_path / "data"), ScriptedRunner(endless))) as address:
        blender.preferences.address = address
        operator.execute(blender.context)
        until(lambda: operator.modal(blender.context, TIMER) == {"PASS_THROUGH"} and "decode" in str(blender.status))
        assert "Esc" in str(blender.status) and operator.modal(blender.context, MOUSE) == {"PASS_THROUGH"}
        if by == "the Esc key":
            assert operator.modal(blender.context, ESC) == {"CANCELLED"}
        else:
            operator.cancel(blender.context)
        assert (blender.timers, blender.status, blender.imported) == (0, None, [])
        until(lambda: [job["state"] for job in httpx.get(f"{address}/jobs").json()["jobs"]] == ["cancelled"])
        until(lambda: not operator._request.is_alive())


def test_what_is_refused_is_said_and_the_scene_stays(operator: Any, blender: Blender, address: str) -> None:
    Path(operator.filepath).write_bytes(b"no picture")
    blender.preferences.address = address
    operator.execute(blender.context)
    assert ended(operator, blender) == {"CANCELLED"}
    ((kind, sentence),) = operator.said
    assert kind == "ERROR" and "not a JPEG, PNG" in sentence
    assert len(blender.data.objects) == 1 and (blender.timers, blender.status) == (0, None)


def test_no_service_is_said(operator: Any, blender: Blender) -> None:
    blender.preferences.address = "127.0.0.1:1"
    operator.execute(blender.context)
    assert ended(operator, blender) == {"CANCELLED"}
    assert "No service answers at 127.0.0.1:1" in operator.said[0][1]


@pytest.mark.parametrize(
    ("address", "photo", "sentence"),
    [
        ("ftp://host", "mug.png", "is not an address"),
        ("http://10.1.2.3:8000", "mug.png", "Allow Online Access"),
        ("localhost", "none.png", "No such file"),
    ],
)
def test_what_cannot_begin_is_said_before_anything_is_sent(
    operator: Any, blender: Blender, address: str, photo: str, sentence: str
) -> None:
    blender.preferences.address = address
    operator.filepath = str(Path(operator.filepath).with_name(photo))
    assert operator.execute(blender.context) == {"CANCELLED"} and blender.timers == 0
    assert [kind for kind, _ in operator.said] == ["ERROR"] and sentence in operator.said[0][1]


def test_a_mesh_that_is_not_imported_is_kept(operator: Any, blender: Blender, address: str) -> None:
    blender.preferences.address, blender.importer_fails = address, True
    operator.execute(blender.context)
    assert ended(operator, blender) == {"CANCELLED"}
    kept = blender.folder / "mug.glb"
    assert kept.read_bytes().startswith(b"glTF") and str(kept) in operator.said[0][1]


@pytest.mark.usefixtures("blender")
def test_what_it_offers_is_in_the_service(tmp_path: Path) -> None:
    addon = imported("blender", tmp_path / "package")
    for name, ours in (("engine", addon.ENGINES), ("quality", addon.QUALITIES)):
        assert set(ours) <= set(get_args(MeshOptions.model_fields[name].annotation))
    assert {ending.removeprefix(".") for ending in Image.registered_extensions()} >= set(addon.PICTURES) - {
        "heic",
        "heif",
    }


def test_its_manifest_is_what_blender_asks_for(tmp_path: Path) -> None:
    with zipfile.ZipFile(packed("blender", tmp_path)) as archive:
        assert {"__init__.py", "service.py", "LICENSE"} < set(archive.namelist())
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert manifest["id"] == "mattemesh" and manifest["license"] == ["SPDX:MIT"]
    for sentence in (manifest["tagline"], *manifest["permissions"].values()):
        assert len(sentence) <= 64 and re.search(r"\w$", sentence)


IN_BLENDER = """
import json, sys, bpy
package, photo, address = sys.argv[1:]
bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
preferences = bpy.context.preferences.addons["bl_ext.user_default.mattemesh"].preferences
preferences.address, preferences.engine = address, "relief"
bpy.context.scene.cursor.location = (2, 1, 0.5)
bpy.ops.ed.undo_push(message="before")
bpy.ops.object.mode_set(mode="EDIT")
bpy.ops.mattemesh.import_photo("EXEC_DEFAULT", True, filepath=photo, height_m=0.5)
made = bpy.context.object
corners = [made.matrix_world @ vertex.co for vertex in made.data.vertices]
image = next(node.image for node in made.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
said = {
    "names": [made.name, made.data.name, made.active_material.name],
    "packed": image.packed_file is not None,
    "low": [min(corner[axis] for corner in corners) for axis in range(3)],
    "high": [max(corner[axis] for corner in corners) for axis in range(3)],
    "others": len(bpy.data.objects) - 1,
}
bpy.ops.ed.undo()
said["undone"] = len(bpy.data.objects)
try:
    bpy.ops.mattemesh.import_photo(filepath=package)
except RuntimeError as error:
    said["refused"] = str(error)
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.mattemesh")
said["left"] = hasattr(bpy.types, "MATTEMESH_OT_import_photo")
print("SAID", json.dumps(said))
"""


def test_a_real_blender_installs_it_and_stands_the_mesh_upright(address: str, tmp_path: Path) -> None:
    python = os.environ.get("MATTEMESH_BPY")
    if python is None:
        pytest.skip("MATTEMESH_BPY names no Python with the package bpy")
    photo = tmp_path / "robot.jpg"
    photo.write_bytes((REPOSITORY / "examples" / "robot.jpg").read_bytes())
    command = [python, "-c", IN_BLENDER, str(packed("blender", tmp_path)), str(photo), address]
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment)
    # Its exit status says nothing: some versions of bpy crash when they leave.
    told = re.search(r"^SAID (.*)$", done.stdout, re.MULTILINE)
    assert told is not None, done.stderr[-3000:]
    said = json.loads(told[1])
    low, high = said["low"], said["high"]
    assert said["names"] == ["robot"] * 3 and said["packed"]
    assert (low[2], high[2]) == pytest.approx((0.5, 1.0), abs=0.01)
    assert [(low[axis] + high[axis]) / 2 for axis in (0, 1)] == pytest.approx([2, 1], abs=0.02)
    assert said["others"] == said["undone"] == 3
    assert "not a JPEG, PNG" in said["refused"] and not said["left"]
