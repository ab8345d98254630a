"""`python -m backend …`, and the command `mattemesh` of an installed package."""

import os
import signal
import sys

UNUSABLE = 1
INTERRUPTED = 130  # what a shell reports for Ctrl-C


def run() -> int:
    """Run the command line on this process's arguments; return its exit status."""
    # Read by OpenMP when torch loads it: threads that wait by spinning hurt where a core is shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # what an Apple GPU lacks runs on the CPU

    # Ctrl-C while libraries load just ends the process: as an exception it can fall into one that swallows it.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else a shell had it ignored
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from backend.commands.streams import protect_streams

    protect_streams()  # before anything opens a file

    try:
        from backend.cli import main
    except ModuleNotFoundError as error:  # most often another Python than the one that setup.sh has filled
        sys.stderr.write(
            f"error: {sys.executable} has no {error.name}. Run ./setup.sh run once, which installs it, and choose that "
            "Python with: source .venv/bin/activate\n"
        )
        return UNUSABLE
    from backend.commands.interrupts import Interrupts

    interrupts = Interrupts()
    if interruptible and sys.argv[1:2] != ["serve"]:  # which has more to load, and then its own way of stopping
        signal.signal(signal.SIGINT, interrupts)
    try:
        status = main()
        interrupts.end()
    except KeyboardInterrupt:
        interrupts.end()
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(run())
