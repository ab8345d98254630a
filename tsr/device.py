"""Device and precision of a network: one choice, made once, before any weight is read."""

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str) -> torch.device:
    """Return the device of that name; "auto" is CUDA before MPS before the CPU.

    Raises ValueError for an unknown name, and when the device asked for is not on this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:  # its text lists every device that torch was ever built for
        raise ValueError(f"there is no device {device!r}") from error
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here.get(chosen.type, False):
        raise ValueError(f"the device {device!r} is not on this machine")
    return chosen


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the type the encoder's products are computed in.

    "auto" is bfloat16 where the processor multiplies it natively, float16 on an older GPU, float32 elsewhere.
    Raises ValueError for an unknown name, and for float16 off the GPU: a CPU only emulates it, several times
    slower than float32.
    """
    if precision == "auto":
        return _fastest(device)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of auto, {', '.join(PRECISIONS)}, not {precision!r}")
    if precision == "float16" and device.type != "cuda":
        raise ValueError("float16 needs a CUDA device; bfloat16 and float32 run everywhere")
    return PRECISIONS[precision]


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        # From Ampere (8.0) on; before that bfloat16 is emulated.
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_multiplies_bfloat16() else torch.float32


def cpu_multiplies_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 products of its own (AVX-512 BF16 or AMX).

    ARM is left out: its bfloat16 has not been measured here.
    """
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16", False) or can.get("amx_bf16", False))
