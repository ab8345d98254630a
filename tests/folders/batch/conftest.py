"""A folder of pictures, a folder for their results, and work done in this process."""

from functools import partial
from pathlib import Path

import pytest

from backend.contract.settings import Settings
from backend.folders.runner import load
from backend.workers.child import _plain
from backend.workers.process import WorkerConfig
from backend.workers.process_runner import ProcessRunner
from tests.helpers.in_process import ThreadWorker


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "checkpoints"))
    pictures = tmp_path / "in"
    (pictures / "a").mkdir(parents=True)
    return pictures, tmp_path / "out"


@pytest.fixture(autouse=True)
def _threads_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the work in this process; those tests that start the command itself have the real workers."""

    def thread(config: WorkerConfig, settings: Settings) -> ThreadWorker:
        handler = load(settings, config.lane, False)
        return ThreadWorker(lambda work, on_stage: _plain(handler.perform(work, on_stage)), config, settings)

    monkeypatch.setattr("backend.folders.runner.ProcessRunner", partial(ProcessRunner, make_worker=thread))


@pytest.fixture
def no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawings out of the report: a second for each run that they do not concern."""
    monkeypatch.setattr("backend.folders.batch.report._drawings", lambda figures: [])
