"""`python -m backend models list|fetch|verify`."""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from backend.contract.errors import MattemeshError
from backend.contract.settings import Settings
from backend.weights.availability import models_to_fetch
from backend.weights.catalogue import CATALOGUE
from backend.weights.custom_models import read_custom_models
from backend.weights.fetch import Sources, fetch
from backend.weights.listing import list_models
from backend.weights.on_disk import find_model, how_to_get, model_state, verify


def list_all(checkpoints: Path, as_json: bool, remote_keys: frozenset[str] = frozenset()) -> int:
    """Print the catalogue and return the exit status."""
    rows = list_models(checkpoints, remote_keys)
    if as_json:
        json.dump([row.model_dump() for row in rows], sys.stdout, indent=2)
        print()
        return 0
    print(f"{'model':24}{'task':14}{'licence':22}{'commercial use':16}{'MB':>6}  here")
    for row in rows:
        size = f"{row.size_bytes / 1e6:.0f}" if row.size_bytes else ""
        allowed = "yes" if row.commercial_use else "no"
        print(f"{row.name:24}{row.task:14}{row.licence:22}{allowed:16}{size:>6}  {row.state}")
    for problem in read_custom_models(checkpoints).problems.values():
        print(problem)
    return 0


def fetch_all(names: list[str], settings: Settings) -> int:
    """Fetch the models called `names`, by default the default ones, and return the exit status.

    One that fails does not stop the others. Raises InvalidParameterError for an unknown name before it fetches any.
    """
    failed = False
    models = [find_model(name, settings.checkpoints_dir) for name in names or models_to_fetch(settings)]
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for model in models:
            bar = progress.add_task(model.name, total=model.size_bytes or None)

            def show(done: int, total: int, bar: object = bar) -> None:
                progress.update(bar, completed=done, total=max(done, total))  # type: ignore[arg-type]

            try:
                fetch(
                    model.name,
                    settings.checkpoints_dir,
                    show,
                    allow_noncommercial=settings.allow_noncommercial,
                    sources=Sources.from_environment(order=settings.model_sources),
                )
                print(f"{model.name}: complete")
            except MattemeshError as error:
                failed = True
                progress.remove_task(bar)  # its last state would stand below the reason
                print(f"{model.name}: {error.detail}", file=sys.stderr)
    return int(failed)


def verify_all(names: list[str], checkpoints: Path) -> int:
    """Read the models called `names`, by default all that are here, again; return 1 unless all are complete."""
    known = [*CATALOGUE.values(), *read_custom_models(checkpoints).models.values()]
    here = [model.name for model in known if model_state(model, checkpoints) != "absent"]
    failed = False
    for name in names or here:
        model = find_model(name, checkpoints)
        state = verify(model, checkpoints)
        failed |= state != "complete"
        print(f"{name}: {state}" if state == "complete" else f"{name}: {state}. {how_to_get(model)}")
    if not names and not here:
        print("No weights are on this machine yet. Fetch the default ones with: python -m backend models fetch")
    return int(failed)
