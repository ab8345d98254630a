"""What a folder's run has recorded."""

from collections.abc import Mapping
from pathlib import Path

from backend.folders.batch.manifest import Manifest, Record
from backend.folders.batch.out_folder import OutFolder


def records(out: Path) -> Mapping[str, Record]:
    """Return the records of the results in `out`, by picture."""
    folder = OutFolder(out)
    manifest = Manifest(folder)
    manifest.close()
    folder.close()
    return manifest.records
