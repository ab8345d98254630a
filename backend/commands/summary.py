"""Sums up the engines in a few lines for a person: at the service's start, and in `doctor`.

Reads the disk alone, so that the start does not wait for it.
"""

from backend.api.routes.page import VIEWER
from backend.contract.settings import Settings
from backend.weights.availability import models_to_fetch, preferred_engines, why_not
from backend.weights.catalogue import CATALOGUE

NO_VIEWER = "viewer of meshes: none, so the page shows pictures of a mesh; `npm ci` in the checkout brings it"


def service_lines(settings: Settings) -> list[str]:
    """Return what `engine_lines` returns, and what the page lacks."""
    return engine_lines(settings) + ([] if VIEWER.is_file() else [NO_VIEWER])


def engine_lines(settings: Settings) -> list[str]:
    """Return a line for each role, with the engine in use and, for a stand-in, what is on its way or missing; then how
    much is being fetched."""
    lines = []
    coming = models_to_fetch(settings) if settings.fetch_weights else ()
    for role, (networks, stand_in) in preferred_engines(settings).items():
        best = networks[0]
        used = next((name for name in networks if not why_not(name, settings, {})), stand_in)
        if used == best:
            lines.append(f"{role}: {used}")
        elif best in coming:
            lines.append(f"{role}: {used}, until {best} ({_size(CATALOGUE[best].size_bytes)}) is here")
        else:
            size = f" ({_size(CATALOGUE[best].size_bytes)})" if best in CATALOGUE else ""
            lines.append(f"{role}: {used}. {why_not(best, settings, {})}{size}")
    coming_bytes = sum(CATALOGUE[name].size_bytes for name in coming if why_not(name, settings, {}))
    if coming_bytes:
        lines.append(f"Fetching {_size(coming_bytes)} of weights meanwhile; the page and /health show how far it is.")
    return lines


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
