"""The web page: `/`, and under `/static/` its files, the example pictures and, if npm installed it, the mesh viewer.

`/static/page.json` has what the page needs before its first request; it needs no key and says whether the rest does.
"""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend.contract.mesh_engines import MESH_ENGINES
from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.settings import REPOSITORY, Settings

WEB = REPOSITORY / "backend" / "web"
PACKAGED = WEB / "packaged"  # where setup.py puts the files that a checkout has outside backend/
EXAMPLES = PACKAGED / "examples" if PACKAGED.is_dir() else REPOSITORY / "examples"
VIEWER = (PACKAGED if PACKAGED.is_dir() else REPOSITORY) / "node_modules/@google/model-viewer/dist/model-viewer.min.js"
REVALIDATE = {"Cache-Control": "no-cache"}  # revalidated on each use (304), so an update shows at once
router = APIRouter(include_in_schema=False)


class RevalidatedFiles(StaticFiles):
    """Static files that the browser revalidates on each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(REVALIDATE)
        return response


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> Response:
    """Returns the page."""
    return FileResponse(WEB / "index.html", headers=REVALIDATE)


@router.get("/static/page.json")
async def page_facts(request: Request) -> dict[str, Any]:
    """Returns the upload limits, mesh formats, examples, the viewer's address and whether requests need a key."""
    settings: Settings = request.app.state.settings
    return {
        "limits": {
            "upload_bytes": settings.max_upload_bytes,
            "pixels": settings.max_pixels,
            "side_px": settings.max_side_px,
        },
        "mesh_formats": {name: ending_of(name) for name in MESH_FORMATS},
        "mesh_engines": [{"name": name, "title": engine.title} for name, engine in MESH_ENGINES.items()],
        "examples": [{"name": path.stem, "href": f"/static/examples/{path.name}"} for path in example_pictures()],
        "viewer": "/static/viewer.js" if VIEWER.is_file() else None,
        "needs_key": bool(settings.api_keys),
    }


def example_pictures() -> list[Path]:
    """Return the example pictures; an installation may lack them."""
    return sorted(EXAMPLES.glob("*.jpg"))


@router.get("/static/examples/{name}")
async def example(name: str) -> Response:
    """Returns one of the example pictures."""
    for path in example_pictures():
        if path.name == name:
            return FileResponse(path, headers=REVALIDATE)
    raise HTTPException(404)


@router.get("/static/viewer.js")
async def viewer() -> Response:
    """Returns the mesh viewer."""
    if not VIEWER.is_file():
        raise HTTPException(404)
    return FileResponse(VIEWER, headers=REVALIDATE)


def mount_files(app: FastAPI) -> None:
    """Mount the page's files on `app`."""
    app.mount("/static", RevalidatedFiles(directory=WEB), name="page")
