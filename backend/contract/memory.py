"""Whether an error means that memory ran out, whichever library raised it. Imports none of them."""

import errno
import re
import sys

CUDA_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
OPENCV_OUT_OF_MEMORY = -4  # cv2.Error.StsNoMem
# onnxruntime and torch's allocator on the CPU raise general types without a code of their own. What follows is what
# their allocators write: a C++ type, an errno, a status. A layer's name alone ("alloc_1") never matches.
_ONNXRUNTIME = re.compile(
    r"std::bad_alloc$|BFCArena::\S+\(.*\) Failed to allocate memory for requested buffer|CUDA failure 2: out of memory",
    re.DOTALL,
)
_TORCH = re.compile(
    rf"DefaultCPUAllocator: .* Error code {errno.ENOMEM} \(|CU(BLAS|DNN)_STATUS_ALLOC_FAILED", re.DOTALL
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory ran out: by its type or code, in the end by its allocator's message."""
    if isinstance(error, MemoryError):  # NumPy's too
        return True
    library = type(error).__module__.partition(".")[0]
    if library == "cv2":
        return bool(getattr(error, "code", None) == OPENCV_OUT_OF_MEMORY)
    if library == "onnxruntime":
        return _ONNXRUNTIME.search(str(error)) is not None
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    return (
        isinstance(error, torch.OutOfMemoryError)
        or getattr(error, "error_code", None) == CUDA_OUT_OF_MEMORY  # of torch.AcceleratorError
        or _TORCH.search(str(error)) is not None
    )
