"""The pictures of a run -> results and records, by worker processes of this machine."""

from collections.abc import Iterable

from backend.contract.settings import Settings
from backend.contract.work import KINDS
from backend.folders.batch.manifest import Manifest, Record
from backend.folders.batch.out_folder import OutFolder
from backend.folders.batch.picture import BatchConfig, Item, PictureRun, announced, result_key
from backend.folders.batch.places import Out, Source
from backend.folders.batch.progress import Display
from backend.folders.runner import FolderRunner, folder_runner


def batch_runner(kind: str, settings: Settings, jobs: int) -> FolderRunner:
    """Return the runner of `jobs` processes; no client waits, so a mask may take as long as a mesh."""
    deadline_s = max(settings.mask_deadline_s, settings.mesh_deadline_s)
    return folder_runner(settings, jobs, deadline_s, KINDS[kind].lane)


class BatchRun:
    """Processes the pictures that are new, changed or failed, and leaves the rest as it is."""

    def __init__(
        self,
        config: BatchConfig,
        settings: Settings,
        jobs: int,
        source: Source,
        out: Out,
        manifest: Manifest,
        display: Display,
    ) -> None:
        self.runner = batch_runner(config.kind, settings, jobs)
        self._manifest, self._display = manifest, display
        self._is_folder = isinstance(out, OutFolder)  # whose manifest has each name before its work begins
        key = result_key(config, settings)
        self._pictures = PictureRun(config, key, settings.max_upload_bytes, source, out, self.runner, manifest.append)

    async def do(self, items: Iterable[Item]) -> None:
        """Process all `items`. Raises errors that every picture would meet: a missing model, a full disk."""
        if not self._is_folder:
            items = announced(self._pictures.config, self._pictures.key, items, self._manifest)
        await self.runner.for_each(items, self._record)

    async def close(self) -> None:
        """End the processes."""
        self.runner.close()

    async def _record(self, item: Item) -> None:
        before: Record | None = self._manifest.records.get(item.input)
        record, new = await self._pictures.do(item, before)
        self._display.add(record, new)
