"""Mattemesh in Blender: pick a photo, and its mesh stands upright at the 3D cursor, with its material.

A running service makes the mesh while Blender stays usable: a thread follows the job, and a timer looks after the
thread, because only Blender's own thread may touch the scene.
"""

import threading
from pathlib import Path

import bpy

from .service import Service, ServiceError

ENGINES = {"auto": "Auto", "triposr": "TripoSR", "form": "Form", "relief": "Relief"}
QUALITIES = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}
PICTURES = ("avif", "bmp", "gif", "heic", "heif", "jpeg", "jpg", "mpo", "png", "tif", "tiff", "webp")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LABEL = "Photo as Mesh (Mattemesh)"


class CancelledError(Exception):
    """The person no longer wants the mesh."""


class Preferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    address: bpy.props.StringProperty(
        name="Service", default="http://127.0.0.1:8000", description="Address of the Mattemesh service"
    )
    key: bpy.props.StringProperty(
        name="API key", subtype="PASSWORD", description="The service's API_KEY, where it has one"
    )
    quality: bpy.props.EnumProperty(
        name="Quality",
        items=[(name, title, "") for name, title in QUALITIES.items()],
        default="balanced",
        description="How much work goes into the outline",
    )
    engine: bpy.props.EnumProperty(
        name="Engine",
        items=[(name, title, "") for name, title in ENGINES.items()],
        default="auto",
        description="What makes the mesh; Auto takes the best one that the service has",
    )

    def draw(self, context):
        for name in ("address", "key", "quality", "engine"):
            self.layout.prop(self, name)


class Request(threading.Thread):
    """One mesh on its way; `mesh` is a GLB in the end, or `error` says why there is none."""

    def __init__(self, service: Service, photo: bytes, options: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._service, self._photo, self._options = service, photo, options
        self._is_cancelled = threading.Event()
        self.progress = "sending the photo"
        self.mesh: bytes | None = None
        self.notes: list[str] = []
        self.error = "The mesh could not be fetched: see the system console."

    def run(self) -> None:
        try:
            with self._service.job("generate-mesh", self._photo, self._options, self._on_progress) as job:
                mesh = self._service.file(job)
                self.notes = job["report"]["notes"]
                self.mesh = mesh
        except CancelledError:
            pass
        except ServiceError as error:
            self.error = str(error)

    def cancel(self) -> None:
        """Let the thread cancel the job; Blender does not wait for it."""
        self._is_cancelled.set()

    def _on_progress(self, fraction: float, stage: str) -> None:
        if self._is_cancelled.is_set():
            raise CancelledError
        self.progress = f"{stage}, {fraction:.0%}"


class MATTEMESH_OT_import_photo(bpy.types.Operator):  # noqa: N801  # Blender's form
    """Make a mesh of the object in a photo and stand it at the 3D cursor"""

    bl_idname = "mattemesh.import_photo"
    bl_label = LABEL
    bl_options = {"UNDO"}  # noqa: RUF012  # no REGISTER: "Adjust Last Operation" would ask for the mesh again

    filepath: bpy.props.StringProperty(subtype="FILE_PATH")
    filter_glob: bpy.props.StringProperty(default=";".join(f"*.{name}" for name in PICTURES), options={"HIDDEN"})
    height_m: bpy.props.FloatProperty(
        name="Height", default=1.0, min=0.001, max=1000.0, unit="LENGTH", description="How high the object is"
    )

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context):
        preferences = _preferences(context)
        self.layout.prop(self, "height_m")
        self.layout.prop(preferences, "quality")
        self.layout.prop(preferences, "engine")

    def execute(self, context):
        preferences = _preferences(context)
        if not hasattr(bpy.types, "IMPORT_SCENE_OT_gltf"):
            return self._give_up("Turn on the add-on glTF 2.0 format, which reads the mesh, in the preferences.")
        options = {"preset": "blender", "height_m": f"{self.height_m:.4f}"}
        options |= {"quality": preferences.quality, "engine": preferences.engine}
        try:
            photo = Path(bpy.path.abspath(self.filepath)).read_bytes()
            self._request = Request(_service(preferences), photo, options)
        except (OSError, ServiceError) as error:
            return self._give_up(str(error))
        self._request.start()
        if bpy.app.background:  # no window, so no timer
            self._request.join()
            return self._finish(context)
        self._timer = context.window_manager.event_timer_add(0.2, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            self.report({"INFO"}, "Mattemesh: cancelled")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if self._request.is_alive():
            context.workspace.status_text_set(f"Mattemesh: {self._request.progress}   (Esc cancels)")
            return {"PASS_THROUGH"}
        self._stop_looking(context)
        return self._finish(context)

    def cancel(self, context):
        """Blender calls this, too, where a file is opened meanwhile."""
        self._request.cancel()
        self._stop_looking(context)

    def _stop_looking(self, context):
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)

    def _finish(self, context):
        if self._request.mesh is None:
            return self._give_up(self._request.error)
        name = Path(self.filepath).stem
        path = Path(bpy.app.tempdir, f"{name}.glb")
        try:
            path.write_bytes(self._request.mesh)
            _stand_at_cursor(context, path, name)
        except (OSError, RuntimeError) as error:
            return self._give_up(f"The mesh is at {path} until Blender closes, but was not imported: {error}")
        path.unlink()
        for note in self._request.notes:
            self.report({"INFO"}, note)
        return {"FINISHED"}

    def _give_up(self, reason):
        self.report({"ERROR"}, reason)
        return {"CANCELLED"}


def _preferences(context):
    return context.preferences.addons[__package__].preferences


def _service(preferences) -> Service:
    """Return the service of the preferences. Raises ServiceError where Blender may not go on the network."""
    service = Service(preferences.address, preferences.key)
    if service.host not in LOOPBACK and not bpy.app.online_access:
        raise ServiceError(
            f"{service.host} is another machine: turn on Preferences, System, Network, Allow Online Access."
        )
    return service


def _stand_at_cursor(context, path: Path, name: str) -> None:
    """Import a GLB whose origin is under its middle, and call all that came with it `name`."""
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    kinds = (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images)
    before = {item for kind in kinds for item in kind}
    bpy.ops.import_scene.gltf(filepath=str(path))
    for item in [item for kind in kinds for item in kind if item not in before]:
        item.name = name
        if isinstance(item, bpy.types.Object) and item.parent is None:
            item.rotation_mode = "XYZ"  # as of objects made in Blender; the importer leaves quaternions
            item.location = context.scene.cursor.location


def _menu(menu, context):
    menu.layout.operator_context = "INVOKE_DEFAULT"  # in Add it would run without asking for a file
    menu.layout.operator(MATTEMESH_OT_import_photo.bl_idname, text=LABEL, icon="IMAGE_DATA")


CLASSES = (Preferences, MATTEMESH_OT_import_photo)
MENUS = ("TOPBAR_MT_file_import", "VIEW3D_MT_add")


def register():
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    for name in MENUS:
        getattr(bpy.types, name).append(_menu)


def unregister():
    for name in MENUS:
        getattr(bpy.types, name).remove(_menu)
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
