"""No library that we load reports to its maker."""

import subprocess
import sys
from pathlib import Path

from backend.contract.settings import REPOSITORY

CODE = "import backend, onnxruntime; onnxruntime.get_available_providers()"


def test_onnxruntime_keeps_no_session_to_report(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, timeout=100)
    assert list(tmp_path.iterdir()) == []
