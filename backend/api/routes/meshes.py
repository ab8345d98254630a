"""`POST /generate-mesh`: a photo in, a coloured mesh out."""

from fastapi import APIRouter, Request, Response

from backend.api.serve import documentation, serve
from backend.contract.errors import NoSubjectError
from backend.contract.mesh_formats import MEDIA_TYPES

router = APIRouter(tags=["mesh"])
DOCUMENTATION = documentation("generate-mesh", list(MEDIA_TYPES.values()), NoSubjectError)


@router.post("/generate-mesh", summary="Make a mesh of a photo", **DOCUMENTATION)
async def generate_mesh(request: Request) -> Response:
    """Answer with the mesh as a GLB, or in the `format` asked for."""
    return await serve(request, "generate-mesh")
