"""The web page: `/`, and under `/static/` its files, the example pictures and, if npm installed it, the mesh viewer.

`/static/page.json` has what the page needs before its first request; it needs no key and says whether the rest does.
"""

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend.api.page_bundle import Served, compressed, read_page
from backend.contract.mesh_engines import MESH_ENGINES
from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.mesh_presets import MESH_PRESETS
from backend.contract.settings import REPOSITORY, Settings

WEB = REPOSITORY / "backend" / "web"
PACKAGED = WEB / "packaged"  # where setup.py puts the files that a checkout has outside backend/
EXAMPLES = PACKAGED / "examples" if PACKAGED.is_dir() else REPOSITORY / "examples"
VIEWER = (PACKAGED if PACKAGED.is_dir() else REPOSITORY) / "node_modules/@google/model-viewer/dist/model-viewer.min.js"
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
LANGUAGE_COOKIE = "language"  # set by the page's menu
REVALIDATE = {"Cache-Control": "no-cache"}  # revalidated on each use (304), so an update shows at once
router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    """Static files: kept for good where they are named with their digest, else revalidated on each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(kept_for(Request(scope), read_page(WEB).digests.get(path)))
        return response


def kept_for(request: Request, digest: str | None) -> dict[str, str]:
    """Return the header that says how long a browser may keep a file: `?v=` names one content for good."""
    return FOR_GOOD if digest is not None and request.query_params.get("v") == digest else REVALIDATE


def compressed_answer(request: Request, file: Served, headers: dict[str, str]) -> Response:
    """Return `file`, by gzip for those who take it, or 304 to those who have it."""
    headers = {"Vary": "Accept-Encoding", **headers, "ETag": f'"{file.digest}"'}
    if file.digest in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.data, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(compressed(file.data), media_type=file.media_type, headers=headers)


@router.api_route("/", methods=["GET", "HEAD"])
def page(request: Request) -> Response:
    """Returns the page in the language that was chosen in it, else in the first of the browser's that there is."""
    index = read_page(WEB).index
    language = chosen_language(request, list(index))
    headers = {**REVALIDATE, "Content-Language": language, "Vary": "Accept-Encoding, Accept-Language, Cookie"}
    return compressed_answer(request, index[language], headers)


def chosen_language(request: Request, languages: list[str]) -> str:
    """Return the one of `languages` that the page's cookie or else Accept-Language names; English where none does."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in languages:
        return chosen
    wishes = []
    for wish in request.headers.get("accept-language", "").split(","):
        tag, _, weight = wish.partition(";")
        try:
            wishes.append((float(weight.strip().removeprefix("q=") or 1), tag.strip().lower().split("-")[0]))
        except ValueError:
            continue  # not a weight: the wish cannot be placed among the others
    ranked = sorted((wish for wish in wishes if wish[0] > 0), key=lambda wish: -wish[0])
    return next((tag for _, tag in ranked if tag in languages), "en")


@router.get("/static/page.{language}.js")
@router.get("/static/later/{part}.js")
@router.get("/static/page.css")
def page_file(request: Request) -> Response:
    """Returns the modules of the page in one, in a language, those of a part that comes later, or its style sheets."""
    file = read_page(WEB).files.get(request.url.path.partition("/static/")[2])
    if file is None:
        raise HTTPException(404)
    return compressed_answer(request, file, kept_for(request, file.digest))


@router.get("/static/page.json")
async def page_facts(request: Request) -> dict[str, Any]:
    """Returns the upload limits, what meshes can be asked for, examples, the viewer's address, and whether requests
    need a key."""
    settings: Settings = request.app.state.settings
    return {
        "version": request.app.version,
        "languages": read_page(WEB).languages,
        "limits": {
            "upload_bytes": settings.max_upload_bytes,
            "pixels": settings.max_pixels,
            "side_px": settings.max_side_px,
        },
        "mesh_formats": {name: ending_of(name) for name in MESH_FORMATS},
        "mesh_presets": [
            {
                "name": name,
                "title": row.title,
                "format": (format := row.options["format"]),
                "ending": ending_of(format),
                "unit": MESH_FORMATS[format].unit,
                "height_m": row.height_m,
            }
            for name, row in MESH_PRESETS.items()
        ],
        "mesh_engines": [{"name": name, "title": engine.title} for name, engine in MESH_ENGINES.items()],
        "examples": [{"name": path.stem, "href": f"/static/examples/{path.name}"} for path in example_pictures()],
        "viewer": f"/static/viewer.js?v={_viewer().digest}" if VIEWER.is_file() else None,
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
def viewer(request: Request) -> Response:
    """Returns the mesh viewer."""
    if not VIEWER.is_file():
        raise HTTPException(404)
    file = _viewer()
    return compressed_answer(request, file, kept_for(request, file.digest))


@cache
def _viewer() -> Served:
    return Served(VIEWER.read_bytes(), "text/javascript")


def mount_files(app: FastAPI) -> None:
    """Mount the page's files on `app`."""
    app.mount("/static", PageFiles(directory=WEB), name="page")
