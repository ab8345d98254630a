"""Where weights come from: a name goes in, a file on this machine comes out."""

import re
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import HTTPError

from tsr.errors import CheckpointError
from tsr.fingerprint import sha256_of, write_fingerprint

WEIGHT_FILES = ("model.safetensors", "model.ckpt")  # in a folder, the first that is there
PUBLISHED_FILE = "model.ckpt"


def find_weights(source: str | Path, folder: Path) -> Path:
    """Return the weights file that `source` means: a file, a folder that holds one, or a repository's `owner/name`.

    A repository's file is kept in `folder`/name and downloaded only when it is not there yet; a download that was
    broken off goes on where it stopped. Raises CheckpointError when there is no such file and none can be had.
    """
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        return _in_folder(path) or _missing(f"the folder {path.name} holds neither of {', '.join(WEIGHT_FILES)}")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(source)) or path.suffix in (".ckpt", ".safetensors"):
        return _missing(f"there is no file {path.name}")
    home = folder / path.name
    return _in_folder(home) or _download(str(source), home)


def _in_folder(folder: Path) -> Path | None:
    return next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)


def _missing(sentence: str) -> Path:
    raise CheckpointError(sentence)


def _download(repo_id: str, home: Path) -> Path:
    try:
        announced = get_hf_file_metadata(hf_hub_url(repo_id, PUBLISHED_FILE)).etag or ""
        path = Path(hf_hub_download(repo_id, PUBLISHED_FILE, local_dir=home))
    except (HTTPError, OSError, ValueError) as reason:  # the hub's own errors are of these kinds
        raise CheckpointError(f"{repo_id} could not be downloaded; what has arrived is kept") from reason
    digest = sha256_of(path)
    # Large files are announced by their sha256, small ones by another checksum.
    if re.fullmatch(r"[0-9a-f]{64}", announced) and announced != digest:
        path.unlink()
        raise CheckpointError(f"{PUBLISHED_FILE} of {repo_id} did not arrive as it was announced")
    write_fingerprint(path, digest)
    return path
