"""`POST /edit-mask` and `POST /add-background`: a matte put right by hand, and something else behind the object."""

from fastapi import APIRouter, Request, Response

from backend.api.serve import documentation, serve

router = APIRouter(tags=["editing"])


@router.post("/edit-mask", summary="Put a mask right", **documentation("edit-mask", ["image/png"]))
async def edit_mask(request: Request) -> Response:
    """Answer with the mask under strokes and clicks, an 8-bit grey PNG of the same size."""
    return await serve(request, "edit-mask")


@router.post(
    "/add-background",
    summary="Put something else behind the object",
    **documentation("add-background", ["image/png", "image/jpeg"]),
)
async def add_background(request: Request) -> Response:
    """Answer with the object on a colour or on another picture."""
    return await serve(request, "add-background")
