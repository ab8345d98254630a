"""Types that cross a process boundary are light: the service's process and every command read it."""

import subprocess
import sys
from pathlib import Path

from backend.contract.settings import REPOSITORY

CONTRACT = sorted(path.stem for path in (REPOSITORY / "backend" / "contract").glob("[a-z]*.py"))
LOOK = """
import sys
from importlib import import_module
for name in {modules}:
    import_module(f"backend.contract.{{name}}")
print(sorted(name for name in sys.modules if name.split(".")[0] in {{"numpy", "cv2", "torch", "fastapi", "PIL"}}))
"""


def test_the_contract_imports_no_numpy_no_image_library_and_no_web_framework(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOOK.format(modules=CONTRACT)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
