"""Security headers on every response."""

import base64
import re
from hashlib import sha256

import pytest

from backend.api.middleware.headers import VIEWER_STYLE
from backend.api.routes.page import VIEWER
from tests.helpers.guarded import guarded

EVERY_KIND = [
    ("GET", "/jobs"),
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/nowhere"),
    ("PUT", "/jobs"),
    ("GET", "/broken"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_KIND)
def test_every_answer_has_them_errors_too(method: str, path: str) -> None:
    headers = guarded().request(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "x-request-id" in headers


@pytest.mark.parametrize("settings", [{"api_key": "k"}, {"rate_limit": "1/day"}, {"allowed_hosts": "other.example"}])
def test_refusals_have_them_too(settings: dict[str, str]) -> None:
    client = guarded(**settings)
    client.get("/jobs")
    answer = client.get("/jobs")
    assert answer.status_code in (401, 421, 429)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.json()["instance"] == f"urn:mattemesh:request:{answer.headers['x-request-id']}"


def test_no_page_may_run_a_script_that_stands_in_it() -> None:
    for path in ("/", "/jobs", "/docs", "/nowhere"):
        policy = guarded().get(path).headers["content-security-policy"]
        scripts = next((part for part in policy.split("; ") if part.startswith("script-src")), "")
        assert "unsafe" not in scripts.replace("'wasm-unsafe-eval'", "")  # which compiles no script


def test_the_page_allows_the_viewers_own_style() -> None:
    if not VIEWER.is_file():
        pytest.skip("npm has not brought the viewer")
    (style,) = re.findall(r"<style>(.*?)</style>", VIEWER.read_text(), re.DOTALL)
    assert f"'sha256-{base64.b64encode(sha256(style.encode()).digest()).decode()}'" == VIEWER_STYLE
    assert VIEWER_STYLE in guarded().get("/").headers["content-security-policy"]


def test_the_documentation_allows_its_one_script_by_the_scripts_own_hash() -> None:
    answer = guarded().get("/docs")
    script = re.search(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert "//" not in answer.text.replace("http://www.w3.org", "")  # no other server is asked
