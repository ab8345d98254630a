"""Times decoding and encoding at 12 Mpx against other libraries: ratios of one run.

    python benchmarks/image_io.py

Prints the peak memory of reading, turning and writing one picture in a fresh process, and a table of the best of five.
"""

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from backend.images.decoding.image_header import ImageLimits, read_header  # noqa: E402
from backend.images.encode import encode_cutout_png, encode_mask_png  # noqa: E402
from backend.images.image_io import read_picture  # noqa: E402

HEIGHT, WIDTH = 3000, 4000
LIMITS = ImageLimits()


def photo_like() -> np.ndarray:
    """A picture with a photo's amount of detail: soft shapes, fine texture, sensor noise."""
    random = np.random.default_rng(0)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for side, strength in ((12, 90), (100, 40), (800, 18)):
        coarse = random.normal(0, 1, (side * 3 // 4, side, 3)).astype(np.float32)
        image += strength * cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    image += random.normal(0, 2.5, image.shape).astype(np.float32)
    return np.clip(image + 128, 0, 255).astype(np.uint8)


def matte() -> np.ndarray:
    """A wavy disc over a third of the picture, with an edge of twelve pixels."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    rows, columns = rows - HEIGHT / 2, columns - WIDTH / 2
    radius = 1100 + 60 * np.sin(40 * np.arctan2(rows, columns))
    return np.clip((radius - np.hypot(rows, columns)) / 12 + 0.5, 0, 1).astype(np.float32)


def jpeg(image: np.ndarray, **options: object) -> bytes:
    target = io.BytesIO()
    Image.fromarray(image).save(target, "JPEG", quality=92, **options)
    return target.getvalue()


def best(work: Callable[[], object], runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def row(name: str, seconds: float, size: int | None = None) -> None:
    print(f"{name:46s} {seconds * 1e3:8.1f} ms" + (f" {size / 1e6:8.2f} MB" if size else ""))


PEAK = """
import re, sys
from pathlib import Path
import numpy as np
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
from backend.images.encode import encode_cutout_png, encode_mask_png
def peak():  # not ru_maxrss: that of a new process starts at its parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
start = peak()
picture = read_picture(Path(sys.argv[1]).read_bytes(), ImageLimits())
read = peak()
alpha = np.ones(picture.image.shape[:2], np.float32)
encode_mask_png(alpha)
encode_cutout_png(picture.image, alpha)
print(f"peak memory: {start} MiB imported, {read} after reading, {peak()} after writing mask and cutout")
"""


def show_peak_memory(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(data)
        subprocess.run([sys.executable, "-c", PEAK, path], check=True, cwd=REPOSITORY)


def measure_reading(image: np.ndarray) -> None:
    plain = jpeg(image)
    sideways = Image.Exif()
    sideways[0x0112] = 6
    gamut = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    row("read_picture, JPEG", best(lambda: read_picture(plain, LIMITS)), len(plain))
    turned = jpeg(image, exif=sideways)
    row("read_picture, JPEG, turned by EXIF", best(lambda: read_picture(turned, LIMITS)))
    tagged = jpeg(image, icc_profile=gamut)
    row("read_picture, JPEG, sRGB profile", best(lambda: read_picture(tagged, LIMITS)))
    wide = jpeg(image, icc_profile=gamut.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ"))
    row("read_picture, JPEG, a profile to convert", best(lambda: read_picture(wide, LIMITS)))
    progressive = jpeg(image, progressive=True)
    row("read_picture, progressive JPEG", best(lambda: read_picture(progressive, LIMITS)), len(progressive))
    row("  its header alone", best(lambda: read_header(plain, LIMITS)))
    row("  Pillow alone, to an array", best(lambda: np.asarray(Image.open(io.BytesIO(plain)))))
    raw = np.frombuffer(plain, np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    row("  cv2.imdecode, with no truncation check", best(lambda: cv2.imdecode(raw, flags)))


def measure_writing(image: np.ndarray, alpha: np.ndarray) -> None:
    row("encode_mask_png", best(lambda: encode_mask_png(alpha)), len(encode_mask_png(alpha)))
    row("encode_cutout_png", best(lambda: encode_cutout_png(image, alpha)), len(encode_cutout_png(image, alpha)))
    opacity = cv2.convertScaleAbs(alpha, alpha=255)
    kept = np.dstack([image[..., ::-1], opacity])
    row(
        "  the background's colours kept",
        best(lambda: cv2.imencode(".png", kept), 2),
        len(cv2.imencode(".png", kept)[1]),
    )
    cleared = kept * (opacity > 0)[..., None]
    for level in (1, 3, 6):
        options = [cv2.IMWRITE_PNG_COMPRESSION, level]
        size = len(cv2.imencode(".png", cleared, options)[1])
        row(f"  zlib level {level}", best(lambda chosen=options: cv2.imencode(".png", cleared, chosen), 2), size)
    target = io.BytesIO()
    row("  Pillow's default", best(lambda: Image.fromarray(cleared).save(target, "PNG"), 1), target.tell())


def main() -> None:
    cv2.setNumThreads(2)
    image, alpha = photo_like(), matte()
    sideways = Image.Exif()
    sideways[0x0112] = 6
    show_peak_memory(jpeg(image, exif=sideways))
    data = jpeg(image)
    both = best(lambda: (read_picture(data, LIMITS), encode_mask_png(alpha)))
    row("JPEG to array and alpha to mask PNG, together", both)
    measure_reading(image)
    measure_writing(image, alpha)


if __name__ == "__main__":
    main()
