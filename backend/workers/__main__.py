"""The worker process: `python -m backend.workers FD PARENT [drives]`, started by `backend.workers.spawn`.

Nothing is imported before the kernel knows that this process ends with its parent: libraries take seconds to load.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, even inside a native call that holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died first
        os._exit(1)


def main() -> None:
    """Serve at the socket whose number is the first argument, for the parent whose pid is the second."""
    if "drives" not in sys.argv[3:]:  # it ends with its socket, once it has taken back what it has passed on
        end_with(int(sys.argv[2]))
    # Ctrl-C and a supervisor's SIGTERM reach the whole process group; the parent decides when its workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    from backend.contract.clock import outlast_the_calendar
    from backend.workers.child import serve

    outlast_the_calendar()
    serve(int(sys.argv[1]))


if __name__ == "__main__":
    main()
