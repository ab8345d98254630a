"""The secret that seals cached entries: a writer to the store who does not know it cannot plant a result."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from backend.contract.settings import Settings

SECRET_BYTES = 32


def cache_secret(settings: Settings) -> bytes:
    """Return CACHE_SECRET, or the random secret in DATA_DIR, which the first process that asks creates.

    Where DATA_DIR cannot be used, the secret lasts as long as this process.
    """
    if settings.cache_secret is not None:
        return settings.cache_secret.get_secret_value().encode()
    path = settings.data_dir / "cache.secret"
    fresh = secrets.token_bytes(SECRET_BYTES)
    try:
        with suppress(FileExistsError):
            _create(path, fresh)
        # A pipe or a device in its place must not stop the service.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb", buffering=0) as file:
            kept = file.read(SECRET_BYTES + 1) or b""
    except OSError:
        return fresh
    return kept if len(kept) == SECRET_BYTES else fresh


def _create(path: Path, secret: bytes) -> None:
    """Write the file whole, readable by its owner alone. Raises FileExistsError where another process was first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
