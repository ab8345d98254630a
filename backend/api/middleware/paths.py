"""Which addresses need no key and are never counted: signs of life, the page's own files and the documentation."""

from starlette.types import Scope

PAGE = "/"
PAGE_FILES = "/static/"
PROBES = ("/healthz", "/readyz")
# What these tell is in the published source too: the options, and no more.
DOCUMENTATION = ("/docs", "/openapi.json")
DOCUMENTATION_FILES = "/static-offline-docs/"


def path_of(scope: Scope) -> str:
    """Return the address as the routes see it: without the prefix under which a front server has put the service."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_page(path: str) -> bool:
    return path == PAGE or path.startswith(PAGE_FILES)


def is_documentation(path: str) -> bool:
    return path in DOCUMENTATION or path.startswith(DOCUMENTATION_FILES)


def is_open(path: str) -> bool:
    """Whether `path` is answered without a key."""
    return path in PROBES or is_page(path) or is_documentation(path)
