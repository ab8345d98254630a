"""TripoSR, in our own words: `from tsr import TripoSR, TripoSRConfig`."""

from tsr.config import TripoSRConfig
from tsr.errors import CheckpointError
from tsr.model import TripoSR

__all__ = ["CheckpointError", "TripoSR", "TripoSRConfig"]
