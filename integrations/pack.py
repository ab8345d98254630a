"""Writes dist/mattemesh-blender.zip and dist/mattemesh-comfyui.zip.

    python integrations/pack.py

Blender installs its zip from disk; ComfyUI's is unpacked in `custom_nodes`.
"""

import zipfile
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = {"blender": "", "comfyui": "mattemesh/"}  # where the files lie in each zip


def pack(name: str, folder: Path) -> Path:
    """Write the package into `folder` and return its path; equal files make equal bytes."""
    files = {path.name: path for path in sorted((HERE / name).iterdir()) if path.is_file()}
    files |= {"service.py": HERE / "service.py", "LICENSE": HERE.parent / "LICENSE"}
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / f"mattemesh-{name}.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, path in files.items():
            entry = zipfile.ZipInfo(FOLDERS[name] + inside)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return package


if __name__ == "__main__":
    for name in FOLDERS:
        print(pack(name, HERE.parent / "dist"))
