"""Figures, words and pictures in; one self-contained HTML page out, in light and dark, with tables to sort and filter.

Every function here returns HTML and escapes whatever text it is given; `page` puts the parts together. Nothing is
loaded from anywhere: style, script and pictures are inside, and the page's own policy forbids the rest.
"""

import base64
import html
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Tone = Literal["", "good", "warn", "bad"]

_STYLE = Path(__file__).with_suffix(".css")
_SCRIPT = Path(__file__).with_suffix(".js")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Column:
    """One column of a table; numbers stand to the right and sort by value."""

    title: str
    number: bool = False
    about: str = ""  # shown when the pointer rests on the heading


@dataclass(frozen=True)
class Cell:
    """One cell that is more than a text: ready HTML, and what it sorts by ("" sorts below everything)."""

    html: str
    sort: float | str | None = None
    style: str = ""  # a class of the style sheet: "best", "name", "nowrap"


@dataclass(frozen=True)
class Row:
    """One row of a table, and the tags that it can be filtered by."""

    cells: Sequence[Cell | str | float | None]
    tags: tuple[str, ...] = ()


def escape(text: object) -> str:
    """Return `text` for use inside HTML and inside attributes; what UTF-8 cannot write is shown as an escape."""
    return html.escape(str(text).encode("utf-8", "backslashreplace").decode("utf-8"))


def page(title: str, subtitle: str, parts: Iterable[str], footer: str = "") -> str:
    """Return the whole page: a heading, the `parts` (HTML) one below the other, and a last line."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{_STYLE.read_text('utf-8')}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><p class="subtitle">{escape(subtitle)}</p></header>\n'
        f"<main>\n{''.join(parts)}</main>\n<footer>{escape(footer)}</footer>\n"
        f"<script>\n{_SCRIPT.read_text('utf-8')}</script>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a headed card with the `parts` (HTML) in it."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>\n"


def paragraph(text: str) -> str:
    """Return one paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def tiles(figures: Iterable[tuple[str, str, Tone]]) -> str:
    """Return a row of large figures, each with the words under it."""
    inner = "".join(
        f'<div class="tile {tone}"><b>{escape(figure)}</b><span>{escape(words)}</span></div>'
        for figure, words, tone in figures
    )
    return f'<div class="tiles">{inner}</div>\n'


def advice(items: Iterable[tuple[Tone, str, str, str]], listing: str = "") -> str:
    """Return a list of (tone, what is wrong, what to do, tag); a tag gets a button that filters the table `listing`."""

    def item(tone: Tone, what: str, todo: str, tag: str) -> str:
        button = (
            f' <button class="link" data-listing="{escape(listing)}" data-tag="{escape(tag)}">show them</button>'
            if tag and listing
            else ""
        )
        return f'<li class="{tone}"><b>{escape(what)}</b>{button}<p>{escape(todo)}</p></li>'

    return f'<ul class="advice">{"".join(item(*each) for each in items)}</ul>'


def chips(words: Iterable[tuple[str, Tone]]) -> str:
    """Return small labels in a row."""
    return "".join(f'<span class="chip {tone}">{escape(word)}</span>' for word, tone in words)


def figures(drawings: Iterable[tuple[str, str]]) -> str:
    """Return (drawing as HTML, caption) beside each other."""
    inner = "".join(
        f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>" for drawing, caption in drawings
    )
    return f'<div class="figures">{inner}</div>'


def picture(data: bytes, about: str, media_type: str = "image/jpeg") -> str:
    """Return an encoded picture, embedded; `about` is read aloud where it cannot be seen."""
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img loading="lazy" alt="{escape(about)}" src="data:{media_type};base64,{encoded}">'


def table(columns: Sequence[Column], rows: Sequence[Row], name: str, search: str = "Search") -> str:
    """Return a table to sort and search; `name` is its id. Where rows have tags, they can be filtered by one."""
    counts = Counter(tag for row in rows for tag in row.tags)
    options = "".join(
        f'<option value="{escape(tag)}">{escape(tag)} ({count})</option>' for tag, count in counts.most_common()
    )
    chooser = f'<select aria-label="Show only"><option value="">all</option>{options}</select>' if counts else ""
    heads = "".join(_head(column) for column in columns)
    body = "".join(_row(columns, row) for row in rows)
    return (
        f'<div class="listing" id="{escape(name)}"><div class="tools">'
        f'<input type="search" placeholder="{escape(search)}" aria-label="{escape(search)}">{chooser}'
        f'<span class="count" role="status">{len(rows)}</span></div>'
        f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def _head(column: Column) -> str:
    about = f' title="{escape(column.about)}"' if column.about else ""
    kind = ' class="number"' if column.number else ""
    return f'<th scope="col"{kind}{about}><button type="button">{escape(column.title)}</button></th>'


def _row(columns: Sequence[Column], row: Row) -> str:
    cells = "".join(_cell(column, cell) for column, cell in zip(columns, row.cells, strict=True))
    tags = f' data-tags="{escape(chr(10).join(row.tags))}"' if row.tags else ""
    return f"<tr{tags}>{cells}</tr>\n"


def _cell(column: Column, cell: Cell | str | float | None) -> str:
    if not isinstance(cell, Cell):
        shown = "" if cell is None else f"{cell:g}" if isinstance(cell, float) else escape(cell)
        cell = Cell(shown, cell if isinstance(cell, float | int) else None)
    style = " ".join(filter(None, ("number" if column.number else "", cell.style)))
    sort = "" if cell.sort is None else f' data-sort="{escape(cell.sort)}"'
    return f"<td{f' class={chr(34)}{style}{chr(34)}' if style else ''}{sort}>{cell.html}</td>"
