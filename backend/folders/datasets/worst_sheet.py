"""The worst pictures of a run -> one sheet: image, truth, ours and where they differ, each with its figures."""

import io

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from backend.folders.datasets.evaluation import ScoredRun
from backend.folders.datasets.scoring import PAPER, TILE_PX

HEAD_PX, LINE_PX = 34, 24
INK, SOFT = (30, 34, 38), (96, 104, 112)
COLUMNS = ("image", "truth", "ours", "red: kept wrongly, blue: lost")


def worst_sheet(run: ScoredRun) -> bytes | None:
    """Return the sheet as JPEG, None where no picture was done."""
    worst = [each for each in run.worst() if each.strip]
    if not worst:
        return None
    width, height = len(COLUMNS) * TILE_PX[0], TILE_PX[1] + LINE_PX
    sheet = np.full((HEAD_PX + height * len(worst), width, 3), PAPER, np.uint8)
    for row, each in enumerate(worst):
        strip = np.asarray(cv2.imdecode(np.frombuffer(each.strip, np.uint8), cv2.IMREAD_COLOR_RGB))
        top = HEAD_PX + row * height + LINE_PX
        sheet[top : top + TILE_PX[1]] = strip
    picture = PillowImage.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    for column, words in enumerate(COLUMNS):
        draw.text((column * TILE_PX[0] + 6, 10), words, fill=SOFT, font=font)
    for row, each in enumerate(worst):
        figures = f"IoU {each.measures['iou']:.3f}   boundary F {each.measures['boundary_f']:.3f}"
        draw.text((6, HEAD_PX + row * height + 5), f"{_plain(each.image)}    {figures}", fill=INK, font=font)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=84)
    return target.getvalue()


def _plain(name: str) -> str:
    shown = name.encode("latin-1", "backslashreplace").decode("latin-1")  # what Pillow's own font can write
    return shown if len(shown) <= 80 else f"…{shown[-79:]}"
