"""The process that speaks HTTP stays light, and takes its workers with it when it dies."""

import os
import signal
import subprocess
import sys

import psutil

from backend.contract.settings import REPOSITORY
from tests.helpers.real_service import living
from tests.helpers.waiting import until

HEAVY = ("numpy", "cv2", "torch", "onnxruntime", "PIL", "scipy", "trimesh", "rembg", "transformers")
OURS = ("backend.pipeline", "backend.engines.registry", "backend.workers.perform")
LOOK = f"""
import sys
from backend.main import create_app
create_app()
print([name for name in {HEAVY + OURS} if name in sys.modules])
"""
SERVE = """
import asyncio, sys
from tests.helpers import doers
from backend.contract.settings import Settings
from backend.workers.process_runner import ProcessRunner
from tests.workers.test_process_runner import work

async def main():
    runner = ProcessRunner(Settings(), doers.load)
    runner.start()
    await runner.run(work("echo"))
    asyncio.create_task(runner.run(work("hang")))
    await runner.run(work("echo", lane="mesh"))
    print(*[row.pid for row in runner.status().workers], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_the_service_imports_no_image_library_and_no_network() -> None:
    process = python(LOOK)
    assert process.communicate(timeout=60)[0].strip() == "[]"


def test_workers_end_with_a_service_that_is_killed_even_in_a_native_call() -> None:
    service = python(SERVE)
    assert service.stdout is not None
    pids = [int(pid) for pid in service.stdout.readline().split()]
    assert len(pids) == 2
    everyone = psutil.Process(service.pid).children(recursive=True)
    assert {process.pid for process in everyone} == set(pids)  # no helper process besides the workers
    os.kill(service.pid, signal.SIGKILL)
    service.wait(60)
    until(lambda: not living(everyone))
