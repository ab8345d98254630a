"""`python -m backend doctor`: versions, devices, and which engines are usable here, or why not."""

import os
import platform
import shutil
from pathlib import Path

from backend.commands.cluster import show
from backend.commands.summary import service_lines
from backend.contract.errors import MattemeshError
from backend.contract.machine import about_max_pixels
from backend.contract.settings import Settings
from backend.contract.versions import versions
from backend.engines.torchvision_operators import HOW_TO_INSTALL, prepare_torchvision
from backend.weights.availability import check_segmenter, damaged_models
from backend.weights.remote_services import REMOTE_SERVICES, with_keys


def examine(settings: Settings) -> int:
    """Print what this machine can do. Return 0, or 1 if something that every command needs is broken."""
    print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for package, number in versions().items():
        print(f"  {package} {number}")
    problems = _problems(settings)
    print("Devices")
    for line in _devices():
        print(f"  {line}")
    print("Memory")
    print(f"  {about_max_pixels(settings.max_pixels, 'max_pixels' in settings.model_fields_set)}")
    print("Engines")
    for line in service_lines(settings):
        print(f"  {line}")
    print("Optional segmenters")
    for line in (_mask_rcnn(), *_services(settings)):
        print(f"  {line}")
    if settings.cluster is not None:
        try:
            show(settings.cluster)
        except MattemeshError as error:
            problems.append(f"CLUSTER: {error.detail}")
    print("Problems" if problems else "No problems found.")
    for line in problems:
        print(f"  {line}")
    return int(bool(problems))


def _devices() -> list[str]:
    import onnxruntime
    import torch

    lines = [f"torch: cpu, {torch.get_num_threads()} threads ({torch.backends.cpu.get_cpu_capability()})"]
    if torch.cuda.is_available():
        lines += [f"torch: cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        lines.append("torch: mps")
    found = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDA", "CoreML", "CPU") if f"{name}ExecutionProvider" in found]
    return [*lines, f"onnxruntime: {', '.join(providers)}"]


def _mask_rcnn() -> str:
    return {
        "absent": f"Mask R-CNN: torchvision is not installed. {HOW_TO_INSTALL}",
        "compiled": "Mask R-CNN: torchvision with its own compiled operators",
        "stand-ins": "Mask R-CNN: plain PyTorch replaces torchvision's compiled operators, which do not load with this "
        "torch",
    }[prepare_torchvision()]


def _services(settings: Settings) -> list[str]:
    keys = with_keys(settings)
    return [
        f"{service.title}: {'a key is set' if name in keys else f'no key ({service.variable})'}"
        for name, service in REMOTE_SERVICES.items()
    ]


def _problems(settings: Settings) -> list[str]:
    import cv2

    found = [mistake for mistake in (check_segmenter(settings), *damaged_models(settings)) if mistake]
    if not hasattr(cv2, "ximgproc"):
        found.append(
            "OpenCV lacks ximgproc: another OpenCV package overwrote opencv-contrib-python-headless; reinstall it."
        )
    for name in ("checkpoints_dir", "logs_dir", "data_dir"):
        if not os.access(_existing(getattr(settings, name)), os.W_OK):
            found.append(f"{name.upper()} cannot be written to.")
    free = shutil.disk_usage(_existing(settings.checkpoints_dir)).free
    if free < 3e9:
        found.append(f"Only {free / 1e9:.1f} GB of disk space are free; the default weights need 2 GB.")
    return found


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: what is missing is made there."""
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())
