"""`GET /docs`: Swagger UI from our own server. Its one inline script needs a Content-Security-Policy of its own."""

import base64
import re
from hashlib import sha256

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

FILES = "/static-offline-docs"  # where fastapi-offline serves Swagger UI
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Returns Swagger UI; the policy allows its own files, and the inline script by its hash."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=request.app.title,
        swagger_js_url=f"{root}{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{root}{FILES}/favicon.png",
    )
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body))
    return page


def _policy(body: bytes) -> str:
    digests = (base64.b64encode(sha256(script).digest()).decode() for script in INLINE_SCRIPT.findall(body))
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    # Swagger UI sets style attributes and shows icons and received pictures as data: and blob:.
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data: blob:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
