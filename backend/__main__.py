"""`python -m backend …`."""

import os
import sys

# Read by OpenMP when torch loads it: threads that wait by spinning hurt where a core is shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # what an Apple GPU lacks runs on the CPU

from backend.cli import main

sys.exit(main())
