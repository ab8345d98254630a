"""The boxes of an AVIF or a HEIC (ISO/IEC 14496-12 and 23008-12) in, the sizes that they announce out.

Three places may say a size: the boxes, a grid that joins tiles, and each coded picture itself. A decoder makes room for
all three, so all are judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from backend.contract.errors import ImageCorruptError
from backend.images.decoding.coded_size import MAX_UNITS, av1_sizes, hevc_size, hevc_sizes

AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
MAX_BOXES = 20_000  # of one box's content: a grid of a large photo has a few hundred items
Range = tuple[int, int]


@dataclass
class HeifHeader:
    """What the boxes say. Sizes are (height, width)."""

    sizes: list[tuple[int, int]] = field(default_factory=list)  # of the items, as stored
    coded: list[tuple[int, int]] = field(default_factory=list)  # of canvases and coded pictures
    cicp: tuple[int, int] | None = None  # primaries and transfer by ITU-T H.273, where all items agree

    @property
    def size(self) -> tuple[int, int]:
        """The largest of the items' sizes. Raises ImageCorruptError without one."""
        height, width = (max((size[axis] for size in self.sizes), default=0) for axis in (0, 1))
        if not height or not width:
            raise ImageCorruptError("The picture's header gives no size.")
        return height, width


def heif_brand(data: bytes) -> bytes:
    """Return the brand of an AVIF or HEIC, b"" for other bytes; the compatible brands decide where several fit."""
    if data[4:8] != b"ftyp":
        return b""
    end = min(int.from_bytes(data[:4], "big"), 512)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    for known in (AVIF_BRANDS, HEIC_BRANDS):  # an AVIF is `mif1`, too
        if found := next((brand for brand in brands if brand in known), b""):
            return found
    return b""


def read_heif_header(data: bytes) -> HeifHeader:
    """Return what the boxes of `data` announce. Raises ImageCorruptError where they make no sense."""
    meta = next((span for name, span in _boxes(data, (0, len(data))) if name == b"meta"), None)
    if meta is None:
        raise ImageCorruptError("The picture's header is broken.")
    inner = dict(_boxes(data, (meta[0] + 4, meta[1])))
    header, length_bytes = HeifHeader(), 4
    colors: set[tuple[int, int]] = set()
    properties = dict(_boxes(data, inner.get(b"iprp", (0, 0)))).get(b"ipco", (0, 0))
    for name, (start, end) in _boxes(data, properties):
        body = data[start : min(end, start + 65_536)]
        if name == b"ispe":
            header.sizes.append((_number(body[8:12]), _number(body[4:8])))
        elif name == b"colr" and body[:4] == b"nclx":
            colors.add((_number(body[4:6]), _number(body[6:8])))
        elif name == b"av1C":
            header.coded += [size for size in av1_sizes(body[4:]) if size]
        elif name == b"hvcC" and len(body) > 22:
            length_bytes = (body[21] & 3) + 1
            header.coded += _parameter_sets(body)
    header.cicp = colors.pop() if len(colors) == 1 else None
    header.coded += _sizes_in_items(data, inner, length_bytes)
    return header


def _sizes_in_items(data: bytes, inner: dict[bytes, Range], length_bytes: int) -> list[tuple[int, int]]:
    kinds = _item_kinds(data, inner.get(b"iinf", (0, 0)))
    found: list[tuple[int, int]] = []
    units = 0
    for item, start, end in _extents(data, inner.get(b"iloc", (0, 0)), inner.get(b"idat", (0, 0))[0]):
        kind, body = kinds.get(item, b""), data[start:end]
        if kind in (b"grid", b"iovl"):
            found += _canvas(body, 4 if kind == b"grid" else 10)
            continue
        sizes = av1_sizes(body) if kind == b"av01" else hevc_sizes(body, length_bytes) if kind == b"hvc1" else iter(())
        for size in sizes:
            units += 1
            if units > MAX_UNITS:
                raise ImageCorruptError("The picture has too many parts.", limit=MAX_UNITS)
            if size:
                found.append(size)
    return found


def _boxes(data: bytes, span: Range) -> Iterator[tuple[bytes, Range]]:
    """Yield (name, where its body is) of each box in `span`; the last one may be cut short."""
    position, end = span
    for _ in range(MAX_BOXES):
        if position + 8 > end:
            return
        length, name, head = _number(data[position : position + 4]), data[position + 4 : position + 8], 8
        if length == 1:
            length, head = _number(data[position + 8 : position + 16]), 16
        stop = end if length == 0 else min(position + length, end)
        if stop < position + head:
            raise ImageCorruptError("The picture's header is broken.")
        yield name, (position + head, stop)
        position = stop
    raise ImageCorruptError("The picture has too many parts.", limit=MAX_BOXES)


def _parameter_sets(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size of each parameter set in the body of an `hvcC` box."""
    position = 23
    for _ in range(body[22]):
        kind, count = body[position : position + 1], _number(body[position + 1 : position + 3])
        position += 3
        for _ in range(count):
            length = _number(body[position : position + 2])
            if position + 2 >= len(body):
                return
            if kind and kind[0] & 63 == 33:
                yield hevc_size(body[position + 2 : position + 2 + length])
            position += 2 + length


def _item_kinds(data: bytes, span: Range) -> dict[int, bytes]:
    """Return the four letters of each item's kind, from the box `iinf`."""
    kinds: dict[int, bytes] = {}
    start, end = span
    for name, (at, _) in _boxes(data, (start + (6 if data[start : start + 1] == b"\0" else 8), end)):
        if name == b"infe":
            wide = data[at] >= 3
            kinds[_number(data[at + 4 : at + (8 if wide else 6)])] = data[at + (10 if wide else 8) :][:4]
    return kinds


def _extents(data: bytes, span: Range, idat: int) -> Iterator[tuple[int, int, int]]:
    """Yield (item, start, end) of each piece of an item's data, from the box `iloc`."""
    position, end = span
    version = data[position] if end > position else 0
    sizes = data[position + 4 : position + 6]
    position += 6

    def number(count: int) -> int:
        nonlocal position
        position += count
        if position > end:
            raise ImageCorruptError("The picture's header is broken.")
        return _number(data[position - count : position])

    if end <= span[0]:
        return
    widths = [part for byte in sizes.ljust(2, b"\0") for part in (byte >> 4, byte & 15)]
    total = 0
    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(widths[2]) + (idat if method == 1 else 0)
        for _ in range(number(2)):
            total += 1
            if total > MAX_BOXES:
                raise ImageCorruptError("The picture has too many parts.", limit=MAX_BOXES)
            number(widths[3] if version else 0)
            start, length = base + number(widths[0]), number(widths[1])
            yield item, start, min(start + length, len(data)) if length else len(data)


def _canvas(body: bytes, sizes_at: int) -> Iterator[tuple[int, int]]:
    """Yield the size of what a grid or an overlay is put together on."""
    count = 4 if body[1:2] and body[1] & 1 else 2
    numbers = [_number(body[at : at + count]) for at in islice(range(sizes_at, sizes_at + 2 * count, count), 2)]
    yield numbers[1], numbers[0]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
