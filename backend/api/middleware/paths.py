"""Paths that need no key and do not count against the rate limit: probes, the page's files and the documentation."""

from starlette.types import Scope

PAGE = "/"
PAGE_FILES = "/static/"
PROBES = ("/healthz", "/readyz")
# They show only what the published source shows.
DOCUMENTATION = ("/docs", "/openapi.json")
DOCUMENTATION_FILES = "/static-offline-docs/"


def path_of(scope: Scope) -> str:
    """Return the path as the routes see it: without the prefix under which a reverse proxy serves the app."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_page(path: str) -> bool:
    return path == PAGE or path.startswith(PAGE_FILES)


def is_documentation(path: str) -> bool:
    return path in DOCUMENTATION or path.startswith(DOCUMENTATION_FILES)


def is_open(path: str) -> bool:
    """Whether `path` needs no key."""
    return path in PROBES or is_page(path) or is_documentation(path)
