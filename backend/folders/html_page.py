"""A template of `templates/` and its values in; one self-contained HTML page out, in light and dark.

Autoescape is on, so a file name stays text. Style, script and pictures are inside the page, and its own policy
forbids loading anything else.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(template: str, values: Mapping[str, object]) -> bytes:
    """Return the page in UTF-8; bytes of a file name that are not UTF-8 are shown as escapes."""
    return TEMPLATES.get_template(template).render(values).encode("utf-8", "backslashreplace")


def _data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _tally(tags: Iterable[Iterable[str]]) -> list[tuple[str, int]]:
    """Return each tag of all rows with its count, the most frequent first."""
    return Counter(chain.from_iterable(tags)).most_common()


TEMPLATES.filters |= {"data_url": _data_url, "tally": _tally}
