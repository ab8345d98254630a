"""Fetching a whole model, and fetching the default ones beside the running service.

One download at a time per model, over all processes: the second process waits for the first and then finds the files.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from backend.contract.errors import MattemeshError, ModelUnavailableError
from backend.contract.settings import MODEL_SOURCES
from backend.weights.catalogue import DEFAULT_MODELS, Model, ModelFile
from backend.weights.download import DownloadConfig, SourceError, WantedFile, download, local_path
from backend.weights.on_disk import check_permission, find_model, how_to_get, is_whole, model_state
from backend.weights.packages import unpack_from_registry
from backend.weights.partial_file import PartialFile, disk_error

LONGEST_PAUSE_S = 3600.0  # between two passes of the background fetch
OnProgress = Callable[[int, int], None]  # bytes on disk, bytes in all; may raise to stop


@dataclass(frozen=True)
class Sources:
    """Where weights come from: the base addresses that the catalogue's addresses are appended to, and the order."""

    releases: str = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
    hub: str = "https://huggingface.co"
    torch: str = "https://download.pytorch.org/models"
    order: tuple[str, ...] = MODEL_SOURCES

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, order: tuple[str, ...] = MODEL_SOURCES
    ) -> "Sources":
        """Take mirrors from MODEL_MIRROR (rembg's releases), HF_ENDPOINT (the hub) and TORCH_MIRROR (torchvision's
        files), where they are set."""
        return cls(
            environment.get("MODEL_MIRROR", "").rstrip("/") or cls.releases,
            environment.get("HF_ENDPOINT", "").rstrip("/") or cls.hub,
            environment.get("TORCH_MIRROR", "").rstrip("/") or cls.torch,
            order,
        )

    def of(self, file: ModelFile) -> list[str]:
        """Return the sources to ask for the file, the first one first."""
        has = {file.origin} if file.package is None else {file.origin, "packages"}
        if file.origin == "packages" and self.releases != Sources.releases:
            has.add("releases")  # a mirror may hold what the release page does not
        return [source for source in self.order if source in has]

    def url(self, file: ModelFile) -> str:
        """Return where the file lies."""
        bases = {"hub": self.hub, "torch": self.torch}
        return f"{bases.get(file.origin, self.releases)}/{file.address}"


def fetch(
    name: str,
    checkpoints: Path,
    on_progress: OnProgress | None = None,
    *,
    allow_noncommercial: bool = False,
    sources: Sources | None = None,
    config: DownloadConfig | None = None,
) -> None:
    """Fetch every file of a model, whole and checked; files that are on disk and whole are not fetched again.

    `sources` None reads the environment. Raises InvalidParameterError for an unknown name, ModelUnavailableError
    (not allowed, not reachable, not the published file) and StorageFullError.
    """

    model = find_model(name, checkpoints)
    check_permission(model, allow_noncommercial)

    def report(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(done, max(done, total))  # an estimated size may turn out larger

    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
        with _locked(model, checkpoints, report):
            _fetch_files(model, checkpoints, report, sources or Sources.from_environment(), config or DownloadConfig())
    except OSError as error:
        raise disk_error(error, name) from error


@contextmanager
def _locked(model: Model, checkpoints: Path, report: OnProgress) -> Iterator[None]:
    """Hold the model's lock over processes and threads; while another one holds it, report its progress."""
    import filelock

    lock = filelock.FileLock(checkpoints / f".{model.name.replace(':', '-')}.lock")
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except filelock.Timeout:
            report(_bytes_there(model, checkpoints), model.size_bytes)
    try:
        yield
    finally:
        lock.release()


def _fetch_files(model: Model, checkpoints: Path, report: OnProgress, sources: Sources, config: DownloadConfig) -> None:
    done = 0
    for file in model.files:
        target = checkpoints / file.path
        if not is_whole(file, checkpoints):
            if file.origin == "own":
                raise ModelUnavailableError(f"{model.name} has no download. {how_to_get(model)}", model=model.name)
            target.parent.mkdir(exist_ok=True)
            wanted = WantedFile(model.name, sources.url(file), target, file)
            _from_any(wanted, _beyond(done, model, report), sources, config)
        done += target.stat().st_size
    report(done, done)


def _from_any(wanted: WantedFile, on_bytes: Callable[[int], None], sources: Sources, config: DownloadConfig) -> None:
    """Fetch the file from the first source that gives it. Raises ModelUnavailableError with each one's reason."""
    names = sources.of(wanted.published)
    hasty = replace(config, attempts=min(config.attempts, 2))  # where another source is left to ask
    reasons = []
    for name in names:
        try:
            if name == "packages":
                assert wanted.published.package is not None
                mirror = local_path(sources.releases)
                unpack_from_registry(wanted, wanted.published.package, on_bytes, config, mirror)
            else:
                download(wanted, on_bytes, config if name == names[-1] else hasty)
            return
        except SourceError as error:
            reasons.append(f"{error} ({name})" if len(names) > 1 else str(error))
    why = "; ".join(reasons) or "MODEL_SOURCES names none of its sources"
    raise ModelUnavailableError(f"The weights of {wanted.title} could not be fetched: {why}.", model=wanted.title)


def _beyond(before: int, model: Model, report: OnProgress) -> Callable[[int], None]:
    return lambda here: report(before + here, model.size_bytes)


def _bytes_there(model: Model, checkpoints: Path) -> int:
    paths = [checkpoints / file.path for file in model.files]
    candidates = [one for path in paths for one in (path, PartialFile(path).part)]
    return sum(path.stat().st_size for path in candidates if path.exists())


@dataclass(frozen=True)
class FetchStatus:
    """The progress of one model of a background fetch."""

    state: Literal["waiting", "fetching", "complete", "failed", "stopped"]
    bytes_done: int
    bytes_total: int
    error: str | None = None  # a sentence


class _StoppedError(Exception):
    """Raised inside a download to end it between two pieces."""


class BackgroundFetch:
    """Fetches models one after the other in a daemon thread; errors show in `status` and are never raised there.

    `on_complete` is called in that thread with the name of each model as it becomes whole; models that are complete
    already are skipped. What failed is tried again after `pause_s`, then after twice that, and so on up to an hour.
    """

    def __init__(
        self,
        checkpoints: Path,
        on_complete: Callable[[str], None],
        names: tuple[str, ...] = DEFAULT_MODELS,
        sources: Sources | None = None,
        config: DownloadConfig | None = None,
        pause_s: float = 60.0,
        allow_noncommercial: bool = False,
    ) -> None:
        self._allow_noncommercial = allow_noncommercial
        self._checkpoints, self._on_complete = checkpoints, on_complete
        self._sources, self._config, self._pause_s = sources, config, pause_s
        self._stop, self._wake, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self._status = {name: FetchStatus("waiting", 0, find_model(name, checkpoints).size_bytes) for name in names}
        self._running = False
        self._thread = self._new_thread()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="fetch-weights", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._running = True
        self._thread.start()

    def request(self, name: str) -> FetchStatus:
        """Fetch `name`, too; what failed is tried again without a pause. Returns its state, at once.

        Raises InvalidParameterError for an unknown name and ModelUnavailableError for a model that may not be fetched
        or has no download.
        """
        model = find_model(name, self._checkpoints)
        check_permission(model, self._allow_noncommercial)
        if any(file.origin == "own" for file in model.files):
            raise ModelUnavailableError(f"{name} has no download. {how_to_get(model)}", model=name)
        with self._lock:
            row = self._status.get(name)
            if row is None or row.state not in ("waiting", "fetching"):
                self._status[name] = FetchStatus("waiting", 0, model.size_bytes)
            self._wake.set()
            if not self._running and not self._stop.is_set():
                self._running, self._thread = True, self._new_thread()
                self._thread.start()
            return self._status[name]

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask the thread to end between two pieces and wait for it; the part is kept and resumed the next time."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def status(self) -> dict[str, FetchStatus]:
        """Return each model's progress, in the order of fetching."""
        return dict(self._status)

    def _run(self) -> None:
        pause_s = self._pause_s
        while left := self._left():
            for name in left:
                if not self._stop.is_set():
                    self._fetch(name)
            failed = any(row.state == "failed" for row in self._status.values())
            asked = failed and self._wake.wait(pause_s)
            pause_s = self._pause_s if asked else min(2 * pause_s, LONGEST_PAUSE_S)

    def _left(self) -> list[str]:
        """Return what is to be fetched. When there is nothing, or all shall stop, the thread ends with that."""
        with self._lock:
            self._wake.clear()
            left = [name for name, row in self._status.items() if row.state != "complete"]
            if self._stop.is_set():
                for name in left:
                    self._update(name, state="stopped")
                left = []
            self._running = bool(left)
            return left

    def _fetch(self, name: str) -> None:
        model = find_model(name, self._checkpoints)
        if model_state(model, self._checkpoints) == "complete":  # its digests are checked when it is loaded
            self._update(name, state="complete", bytes_done=model.size_bytes, error=None)
            return
        try:
            self._update(name, state="fetching", error=None)
            fetch(
                name,
                self._checkpoints,
                self._progress_of(name),
                allow_noncommercial=self._allow_noncommercial,
                sources=self._sources,
                config=self._config,
            )
            self._on_complete(name)
            self._update(name, state="complete")
        except MattemeshError as error:
            self._update(name, state="failed", error=error.detail)
        except _StoppedError:
            self._update(name, state="stopped")

    def _progress_of(self, name: str) -> OnProgress:
        def report(done: int, total: int) -> None:
            if self._stop.is_set():
                raise _StoppedError
            self._update(name, bytes_done=done, bytes_total=total)

        return report

    def _update(self, name: str, **changes: object) -> None:
        self._status[name] = replace(self._status[name], **changes)  # type: ignore[arg-type]  # one atomic swap
