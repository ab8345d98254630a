"""`python -m backend …`."""

import os
import sys

# Read by OpenMP when torch loads it: threads that wait by spinning hurt where a core is shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # what an Apple GPU lacks runs on the CPU

try:
    from backend.cli import main
except KeyboardInterrupt:  # Ctrl-C before there is anyone to tell it
    sys.exit(130)

sys.exit(main())
