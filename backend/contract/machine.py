"""How much memory this machine gives us, and how large a picture fits into it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

MOST_PIXELS = 50_000_000  # the default where there is memory for it
LEAST_PIXELS = 4_000_000  # the default where there is hardly any: a picture of a browser's size still passes
BYTES_PER_PIXEL = 20  # of the costliest work, rounded up (benchmarks/memory.py)
PROCESS_BYTES = 250_000_000  # of the service and of each worker beside its picture, without networks


def memory_bytes(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup"), total: int | None = None
) -> tuple[int, str]:
    """Return the bytes that our processes may take together, and what sets that: "machine" or "cgroup".

    A limit of the cgroup of version 1 or 2, or of one above it, counts where it is below the machine's `total`.
    """
    least, source = psutil.virtual_memory().total if total is None else total, "machine"
    for folder, file in _cgroups(root, own):
        for place in (folder, *folder.parents):  # in a container the path may be the host's: its root is ours
            if not place.is_relative_to(root):
                break
            limit = _number_in(place / file)
            if limit is not None and limit < least:
                least, source = limit, "cgroup"
    return least, source


def _cgroups(root: Path, own: Path) -> list[tuple[Path, str]]:
    """Return our cgroup's folder in each hierarchy that limits memory, with the name of the file of its limit."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not on Linux
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found.append((root / path.lstrip("/"), "memory.max"))
        elif "memory" in controllers.split(","):
            found.append((root / "memory" / path.lstrip("/"), "memory.limit_in_bytes"))
    return found


def _number_in(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if re.fullmatch(r"\d{1,20}", text) else None  # "max": no limit


def fitting_pixels(memory: int, workers: int, at_once: int) -> int:
    """Return how many pixels a picture may have so that all `workers` with `at_once` pieces of work each fit."""
    left = memory - (1 + workers) * PROCESS_BYTES
    fitting = left // (max(workers * at_once, 1) * BYTES_PER_PIXEL)
    return min(max(fitting // 1_000_000 * 1_000_000, LEAST_PIXELS), MOST_PIXELS)


def default_max_pixels(settings: Mapping[str, Any]) -> int:
    """Return the default of MAX_PIXELS for settings that have the numbers of workers."""
    return fitting_pixels(
        memory_bytes()[0], settings["mask_workers"] + settings["mesh_workers"], settings["batch_size"]
    )


def about_max_pixels(max_pixels: int, is_set: bool) -> str:
    """Return a sentence that says why pictures may have `max_pixels`; `is_set`: by the operator."""
    size = f"pictures of up to {max_pixels / 1e6:g} megapixels"
    if is_set:
        return f"{size}, as MAX_PIXELS says"
    memory, source = memory_bytes()
    if max_pixels == MOST_PIXELS:
        return f"{size}, the default"
    limit = "this cgroup's limit" if source == "cgroup" else "this machine"
    return f"{size}: {limit} of {memory / 1e9:.1f} GB has no room for larger ones in all workers (MAX_PIXELS sets more)"
