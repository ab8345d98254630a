"""Cache keys: a result depends on the code, the libraries, the models' files, the settings and the request.

Only file stats are read and nothing heavy is imported: the process that speaks HTTP computes keys before it queues
work.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from backend.contract.errors import MattemeshError
from backend.contract.mesh_engines import DEFAULT_MESH
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.versions import versions
from backend.contract.work import Work
from backend.weights.availability import auto_segmenters, original_file, own_weights
from backend.weights.catalogue import EMBEDDED_ENGINES
from backend.weights.on_disk import find_model
from backend.weights.remote_services import REMOTE_SERVICES, address_of, key_of

ABSENT, EMBEDDED, REMOTE = "absent", "embedded", "remote"
# Settings that change no result, or only through the models' files. Every other one is part of the key.
NEUTRAL = frozenset({
    "checkpoints_dir", "triposr_weights", "logs_dir", "debug_dir", "data_dir", "max_waiting", "mask_deadline_s",
    "mesh_deadline_s", "queue_deadline_s", "fetch_weights", "model_sources", "log_level", "log_format", "cache_bytes",
    "cache_url", "cache_secret", "cache_ttl_s", "api_key", "rate_limit", "rate_limit_url", "cors_origins",
    "foreign_apis",
    "allowed_hosts", "trusted_proxies", "remote_workers",
    "mask_workers", "mesh_workers", "cuda_devices", "batch_size", "max_connections", "head_deadline_s", "keep_alive_s",
    "upload_deadline_s", "upload_patience_s", "min_bytes_per_s", "answer_patience_s", "max_uploads_bytes",
    "max_answers_bytes", "answer_deadline_s", "max_connections_per_address", "max_streams_per_client", "drain_s",
    "stop_deadline_s", "max_queued_jobs", "result_ttl_s", "result_bytes", "jobs_url", "files_url",
    "cluster", "cluster_mask_replicas", "cluster_mesh_replicas", "cluster_mask_cpus", "cluster_mesh_cpus",
    "cluster_mask_gpus", "cluster_mesh_gpus",
    *(service.key_setting for service in REMOTE_SERVICES.values()),
    *(service.url_setting for service in REMOTE_SERVICES.values()),
})  # fmt: skip


@cache
def build_fingerprint() -> str:
    """Return the digest of the code, its networks and its libraries: results of other ones have other keys."""
    digest = hashlib.sha256()
    sources = (path for folder in ("backend", "tsr") for path in (REPOSITORY / folder).rglob("*"))
    for path in sorted(path for path in sources if path.suffix in (".py", ".toml", ".onnx")):
        digest.update(f"{path.relative_to(REPOSITORY)}\n".encode() + path.read_bytes())
    digest.update(json.dumps(versions(), sort_keys=True).encode())
    return digest.hexdigest()


def model_fingerprint(name: str, settings: Settings) -> str:
    """Return the fingerprint of the model called `name` as it is on this disk now; ABSENT where it is not.

    Size and modification time of its files stand for their content.
    """
    if name in EMBEDDED_ENGINES:
        return EMBEDDED
    if name in REMOTE_SERVICES:  # services publish no version; their answers expire like every entry
        return f"{REMOTE} {address_of(name, settings)}" if key_of(name, settings) else ABSENT
    try:
        return _stamps(files_of(name, settings), _feeding(name, settings))
    except MattemeshError:
        return ABSENT


def files_of(name: str, settings: Settings) -> list[Path]:
    """Return the paths of the files of the model called `name`, whether they are there or not.

    Raises MattemeshError for a name that no model has.
    """
    own = own_weights(name, settings)
    if own is not None:
        return [_file_of(own)]
    model = find_model(name, settings.checkpoints_dir)
    files = [settings.checkpoints_dir / file.path for file in model.files]
    if model.task == "depth":
        files.append(original_file(name, settings.checkpoints_dir))
    return files


def _feeding(name: str, settings: Settings) -> str:
    """Return how the model is fed: models.toml says it of an operator's own."""
    own = own_weights(name, settings) is not None
    return name if own else repr(find_model(name, settings.checkpoints_dir).network)


def models_of(work: Work, settings: Settings) -> dict[str, str]:
    """Return the models that may take part in `work` with their fingerprints; `auto` stands for all that it may use."""
    defaults = {"model": auto_segmenters(settings), "engine": (DEFAULT_MESH,)}
    asked = {option: getattr(work.options, option) for option in defaults if hasattr(work.options, option)}
    names = [one for option, name in asked.items() for one in (defaults[option] if name == "auto" else (name,))]
    if "model" not in asked and "mask" not in work.files:
        names += auto_segmenters(settings)  # they find the mask that such work starts from
    return {name: model_fingerprint(name, settings) for name in [*names, settings.depth_model]}


def result_key(work: Work, models: dict[str, str], settings: Settings) -> str:
    """Return the cache key of the result of `work`."""
    asked = {
        "kind": work.kind,
        "form": work.form,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in work.files.items()},
        "options": work.options.model_dump(mode="json"),
        "models": models,
        "settings": settings.model_dump(mode="json", exclude=set(NEUTRAL)),
        "build": build_fingerprint(),
    }
    return f"result/{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()}"


def _file_of(weights: Path) -> Path:
    """Return the checkpoint that `weights` names: the file itself, or the one in the folder."""
    names = ("model.ckpt", "model.safetensors") if weights.is_dir() else ()
    return next((weights / name for name in names if (weights / name).is_file()), weights)


def _stamps(files: Iterable[Path], text: str) -> str:
    stamps = [f"{stat.st_size}-{stat.st_mtime_ns}" for file in files if (stat := _stat(file)) is not None]
    return f"{'+'.join(stamps)}/{hashlib.sha256(text.encode()).hexdigest()[:16]}" if stamps else ABSENT


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None
