"""Sums up the engines in a few lines for a person: at the service's start, and in `doctor`.

Reads the disk alone, so that the start does not wait for it.
"""

from backend.api.routes.page import VIEWER
from backend.contract.settings import Settings
from backend.weights.availability import is_here, preferred_engines, why_not
from backend.weights.catalogue import DEFAULT_MODELS
from backend.weights.on_disk import find_model

NO_VIEWER = "viewer of meshes: none, so the page shows pictures of a mesh; `npm ci` in the checkout brings it"


def service_lines(settings: Settings) -> list[str]:
    """Return what `engine_lines` returns, and what the page lacks."""
    return engine_lines(settings) + ([] if VIEWER.is_file() else [NO_VIEWER])


def engine_lines(settings: Settings) -> list[str]:
    """Return a line for each role, with the engine in use and, for a stand-in, what is on its way or missing; then how
    much is being fetched."""
    lines = []
    coming_bytes = 0
    for role, (network, stand_in) in preferred_engines(settings).items():
        if is_here(network, settings):
            lines.append(f"{role}: {network}")
            continue
        size_bytes = find_model(network, settings.checkpoints_dir).size_bytes
        if settings.fetch_weights and network in DEFAULT_MODELS:
            coming_bytes += size_bytes
            lines.append(f"{role}: {stand_in}, until {network} ({_size(size_bytes)}) is here")
        else:
            lines.append(f"{role}: {stand_in}. {why_not(network, settings, {})} ({_size(size_bytes)})")
    if coming_bytes:
        lines.append(f"Fetching {_size(coming_bytes)} of weights meanwhile; the page and /health show how far it is.")
    return lines


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
