"""`POST /remove-bg`: a photo in, its matte or the cut-out object out."""

from fastapi import APIRouter, Request, Response

from backend.api.serve import documentation, serve

router = APIRouter(tags=["matte"])


@router.post("/remove-bg", summary="Cut the object out of a photo", **documentation("remove-bg", ["image/png"]))
async def remove_bg(request: Request) -> Response:
    """Answer with the object's matte as an 8-bit grey PNG, or with the cutout."""
    return await serve(request, "remove-bg")
