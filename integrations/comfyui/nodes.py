"""ComfyUI nodes: the background removed from images, and a mesh made from each, by a running service.

An IMAGE is (B, H, W, 3 or 4) float32 and a MASK (B, H, W) or (H, W) float32, both in [0, 1]. Address and key come from
the environment, never from a workflow: who opens a workflow of others would send pictures and key where it says.
"""

import io
import os
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths
import numpy as np
import torch
from PIL import Image

from .service import Service, ServiceError

QUALITIES = ["fast", "balanced", "best"]
ENGINES = ["auto", "triposr", "form", "relief"]
PRESETS = ["none", "blender", "unity", "unreal", "web", "print", "ar"]
FORMATS = ["auto", "glb", "obj", "ply", "stl", "3mf", "usdz"]

MODEL = ("STRING", {"default": "auto", "tooltip": "Segmenter by name, as the service's /models lists them."})
QUALITY = (QUALITIES, {"default": "balanced", "tooltip": "How much work goes into the outline."})


class RemoveBackground:
    """IMAGE -> the objects without their background, and their MASK, white on the object."""

    CATEGORY = "Mattemesh"
    DESCRIPTION = "Cuts the object out of each image."
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "mask", "notes")

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        behind = "transparent gives images with an alpha channel; or a colour: white, black, #rrggbb."
        return {
            "required": {
                "image": ("IMAGE",),
                "model": MODEL,
                "quality": QUALITY,
                "background": ("STRING", {"default": "transparent", "tooltip": behind}),
            }
        }

    def run(self, image, model, quality, background):
        service = _service()
        options = {"model": model, "quality": quality, "output": "cutout", "background": background}

        def cut_out(photo, on_progress, number):
            with service.job("remove-bg", photo, options, on_progress) as job:
                return _tensor(service.file(job)), _tensor(service.file(job, "mask.png")), job["report"]["notes"]

        images, masks, notes = zip(*_each(image, cut_out), strict=True)
        return torch.stack(images), torch.stack(masks), _text(notes)


class GenerateMesh:
    """IMAGE -> a mesh of each in ComfyUI's output folder, as paths for Preview 3D, and a picture of each."""

    CATEGORY = "Mattemesh"
    DESCRIPTION = "Makes a mesh of the object in each image and saves it to the output folder."
    FUNCTION = "run"
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING", "IMAGE", "STRING")
    RETURN_NAMES = ("model_file", "preview", "notes")
    OUTPUT_IS_LIST = (True, False, False)

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "model": MODEL,
                "quality": QUALITY,
                "engine": (ENGINES, {"default": "auto", "tooltip": "What makes the mesh."}),
                "preset": (PRESETS, {"default": "none", "tooltip": "What the file is for: format, size, faces."}),
                "format": (FORMATS, {"default": "auto", "tooltip": "auto: as the preset says, else GLB."}),
                "height_m": (
                    "FLOAT",
                    {"default": 0.0, "min": 0.0, "max": 1000.0, "step": 0.01, "tooltip": "0: as the preset says."},
                ),
                "filename_prefix": ("STRING", {"default": "mattemesh/mesh"}),
            },
            "optional": {"mask": ("MASK", {"tooltip": "White on the object; without one it is found."})},
        }

    def run(self, image, model, quality, engine, preset, format, height_m, filename_prefix, mask=None):
        service = _service()
        options = {"model": model, "quality": quality, "engine": engine}
        options |= {"preset": preset} if preset != "none" else {}
        options |= {"format": format} if format != "auto" else {}
        options |= {"height_m": f"{height_m:.4f}"} if height_m > 0 else {}
        masks = None if mask is None else _masks(mask, len(image))

        def build(photo, on_progress, number):
            own = None if masks is None else _png(masks[number])
            with service.job("generate-mesh", photo, options, on_progress, mask=own) as job:
                path = _save(service.file(job), filename_prefix, Path(job["files"][0]["name"]).suffix)
                return path, _tensor(service.file(job, "preview.png")), job["report"]["notes"]

        paths, previews, notes = zip(*_each(image, build), strict=True)
        return list(paths), torch.stack(previews), _text(notes)


def _service() -> Service:
    address = os.environ.get("MATTEMESH_ADDRESS", "http://127.0.0.1:8000")
    return Service(address, os.environ.get("MATTEMESH_KEY", ""))


def _each(images: torch.Tensor, work: Callable[..., tuple]) -> list[tuple]:
    """Return what `work` makes of each image as a PNG, while ComfyUI shows the progress and may interrupt.

    An error says in which of several images it was.
    """
    bar = comfy.utils.ProgressBar(100 * len(images))
    done = []
    for number, image in enumerate(images):

        def on_progress(fraction: float, stage: str, number: int = number) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            bar.update_absolute(round(100 * (number + fraction)))

        try:
            done.append(work(_png(image), on_progress, number))
        except ServiceError as error:
            if len(images) == 1:
                raise
            raise ServiceError(f"Image {number + 1} of {len(images)}: {error}") from error
        bar.update_absolute(100 * (number + 1))
    return done


def _masks(masks: torch.Tensor, count: int) -> torch.Tensor:
    """Return (count, H, W): one mask each, or the only one for all. Raises ServiceError for another number."""
    masks = masks if masks.dim() == 3 else masks[None]
    if len(masks) not in (1, count):
        raise ServiceError(f"There are {len(masks)} masks for {count} images: give one for each, or one for all.")
    return masks.expand(count, -1, -1)


def _png(picture: torch.Tensor) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) in [0, 1] -> a PNG of 8 bits."""
    values = (picture.cpu().float().numpy().clip(0, 1) * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _tensor(picture: bytes) -> torch.Tensor:
    """A PNG -> (H, W), (H, W, 3) or (H, W, 4) float32 in [0, 1]."""
    return torch.from_numpy(np.asarray(Image.open(io.BytesIO(picture))).astype(np.float32) / 255)


def _save(data: bytes, prefix: str, suffix: str) -> str:
    """Write a file to the output folder under a new number, and return its path in there."""
    output = folder_paths.get_output_directory()
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, output)
    path = Path(folder, f"{name}_{counter:05}_{suffix}")
    half = path.with_name(f"{path.name}.part")
    try:
        half.write_bytes(data)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return Path(subfolder, path.name).as_posix()


def _text(notes: Iterable[list[str]]) -> str:
    return "\n".join(dict.fromkeys(chain(*notes)))  # a batch says the same again and again


NODE_CLASS_MAPPINGS = {"MattemeshRemoveBackground": RemoveBackground, "MattemeshGenerateMesh": GenerateMesh}
NODE_DISPLAY_NAME_MAPPINGS = {
    "MattemeshRemoveBackground": "Remove Background (Mattemesh)",
    "MattemeshGenerateMesh": "Generate Mesh (Mattemesh)",
}
