"""Named parts -> a zip that is the same bytes every time."""

import io
import zipfile
from collections.abc import Mapping

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


def zipped(parts: Mapping[str, bytes], align: int = 1) -> bytes:
    """Return the parts in order, as a zip: compressed, or with `align` above 1 stored, each beginning at a multiple of
    it, as USDZ wants."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            if align > 1:
                begin = out.tell() + 30 + len(name.encode())  # of the data: after the local header and the name
                padding = -begin % align
                padding += align if 0 < padding < 4 else 0  # an extra field has a head of four bytes
                if padding:
                    entry.extra = b"\x86\x19" + (padding - 4).to_bytes(2, "little") + bytes(padding - 4)
            else:
                entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()
