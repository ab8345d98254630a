"""The errors of weights."""


class CheckpointError(ValueError):
    """The weights cannot be used as they are; the message is one sentence and names files, never folders."""
