"""The page: `/` and, under `/static/`, its files, the example pictures, and the viewer of meshes where npm brought it.

What the page has to know before it asks for anything, `/static/page.json` tells: it is open even where the service
wants a key, and says so.
"""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.settings import REPOSITORY, Settings

WEB = REPOSITORY / "backend" / "web"
PACKAGED = WEB / "packaged"  # setup.py puts there what a checkout has outside of backend/
EXAMPLES = PACKAGED / "examples" if PACKAGED.is_dir() else REPOSITORY / "examples"
VIEWER = (PACKAGED if PACKAGED.is_dir() else REPOSITORY) / "node_modules/@google/model-viewer/dist/model-viewer.min.js"
FRESH = {"Cache-Control": "no-cache"}  # asked for again each time, and answered 304: an update is seen at once
router = APIRouter(include_in_schema=False)


class FreshFiles(StaticFiles):
    """A folder whose files are checked for news at each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(FRESH)
        return response


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> Response:
    """Answer with the page."""
    return FileResponse(WEB / "index.html", headers=FRESH)


@router.get("/static/page.json")
async def page_facts(request: Request) -> dict[str, Any]:
    """Return what the page may send, the mesh formats and examples that it offers, and whether it has a viewer and
    needs a key."""
    settings: Settings = request.app.state.settings
    return {
        "limits": {
            "upload_bytes": settings.max_upload_bytes,
            "pixels": settings.max_pixels,
            "side_px": settings.max_side_px,
        },
        "mesh_formats": list(MESH_FORMATS),
        "examples": [{"name": path.stem, "href": f"/static/examples/{path.name}"} for path in example_pictures()],
        "viewer": "/static/viewer.js" if VIEWER.is_file() else None,
        "needs_key": bool(settings.api_keys),
    }


def example_pictures() -> list[Path]:
    """Return the project's own pictures; an installation may have left them out."""
    return sorted(EXAMPLES.glob("*.jpg"))


@router.get("/static/examples/{name}")
async def example(name: str) -> Response:
    """Answer with one of the example pictures."""
    for path in example_pictures():
        if path.name == name:
            return FileResponse(path, headers=FRESH)
    raise HTTPException(404)


@router.get("/static/viewer.js")
async def viewer() -> Response:
    """Answer with the viewer of meshes."""
    if not VIEWER.is_file():
        raise HTTPException(404)
    return FileResponse(VIEWER, headers=FRESH)


def mount_files(app: FastAPI) -> None:
    """Serve the page's files."""
    app.mount("/static", FreshFiles(directory=WEB), name="page")
