"""One photo in, a clean matte and a mesh out."""

import os

# onnxruntime reports how it is used to its maker unless switched off before it is imported: it keeps a `.ses` in
# the temporary folder and a database under ~/.cache, and sends them to mobile.events.data.microsoft.com (1.31).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
