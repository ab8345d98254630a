"""One `POST` route for each kind of work: its form in, its result out. A row in `KINDS` is all that a new one needs."""

from fastapi import APIRouter, Request, Response

from backend.api.openapi import work_documentation
from backend.api.serve import serve
from backend.contract.work import KINDS

router = APIRouter()


def _add_route(kind: str) -> None:
    async def endpoint(request: Request) -> Response:
        return await serve(request, kind)

    router.add_api_route(
        f"/{kind}", endpoint, methods=["POST"], name=kind.replace("-", "_"), **work_documentation(KINDS[kind])
    )


for _kind, _row in KINDS.items():
    if not _row.foreign:
        _add_route(_kind)
