"""Data -> charts by matplotlib: SVG in the colours of the page around it, and PNG on white."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

# Middle tones that stand out by 3 : 1 or more from white and from the page's dark card alike.
COLORS = ("#3d7fc1", "#c06a1e", "#3f8f57", "#8a68c4", "#b8527f", "#6f7f8c", "#8f8420", "#2f8f94")
BINS = 30  # of a histogram
MAX_RATIO = 5000  # end over start of a logarithmic axis; above it, labels at 2 and 5 would overlap
_INK = "#010203"  # stands for the page's own text colour; drawn with nothing else
_STYLE: Any = {
    "font.size": 10, "font.family": "DejaVu Sans", "svg.fonttype": "none", "axes.spines.top": False,
    "axes.spines.right": False, "text.color": _INK, "axes.edgecolor": _INK, "axes.labelcolor": _INK,
    "xtick.color": _INK, "ytick.color": _INK, "legend.frameon": False, "legend.fontsize": 9,
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """One finished drawing. `svg` is an element to put into a page."""

    name: str
    svg: str
    png: bytes


@mpl.rc_context(_STYLE)
def bars(name: str, values: Mapping[str, float], unit: str, shown: str = "{:g}") -> Drawing:
    """Return horizontal bars, one a label, in the order given."""
    figure, axes = _canvas(height=0.9 + 0.26 * len(values))
    labels = [_short(label) for label in values]
    drawn = axes.barh(range(len(labels)), list(values.values()), color=COLORS[0], height=0.7)
    axes.bar_label(drawn, labels=[shown.format(value) for value in values.values()], padding=4, fontsize=9)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    axes.margins(x=0.12, y=0.02)
    return _finish(name, figure)


@mpl.rc_context(_STYLE)
def stacked_bars(name: str, parts: Mapping[str, Sequence[float]], labels: Sequence[str], unit: str) -> Drawing:
    """Return horizontal bars, one a label, each made of the named `parts`."""
    figure, axes = _canvas(height=1.5 + 0.4 * len(labels))
    left = np.zeros(len(labels))
    for number, (part, values) in enumerate(parts.items()):
        axes.barh(range(len(labels)), values, left=left, label=part, color=COLORS[number % len(COLORS)], height=0.6)
        left = left + np.asarray(values)
    axes.set_yticks(range(len(labels)), [_short(label) for label in labels])
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    _legend(axes, len(parts))
    return _finish(name, figure)


@mpl.rc_context(_STYLE)
def histogram(name: str, groups: Mapping[str, ArrayLike], x_label: str, y_label: str, *, log: bool = False) -> Drawing:
    """Return one histogram of all `groups`, stacked by group; `log` spaces its bins by ratios (values above 0)."""
    figure, axes = _canvas()
    values = [np.asarray(group, np.float64) for group in groups.values()]
    every = np.concatenate(values)
    low, high = float(every.min()), float(every.max())
    if log:
        low, high = (low, high) if high > low * 1.01 else (low * 0.9, high * 1.1)
        edges = np.geomspace(low, high, BINS + 1)
        axes.set_xscale("log")
    else:
        edges = np.linspace(min(low, 0.0), max(high, 1.0), BINS + 1)
    colors = [COLORS[number % len(COLORS)] for number in range(len(values))]
    axes.hist(values, bins=edges.tolist(), stacked=True, label=list(groups), color=colors)
    if log:
        _write_plainly(axes.xaxis)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(groups) > 1:
        _legend(axes, len(groups))
    return _finish(name, figure)


@mpl.rc_context(_STYLE)
def scatter(name: str, groups: Mapping[str, tuple[ArrayLike, ArrayLike]], x_label: str, y_label: str) -> Drawing:
    """Return points (x, y) of each group on logarithmic axes."""
    figure, axes = _canvas()
    for number, (group, (x, y)) in enumerate(groups.items()):
        color = COLORS[number % len(COLORS)]
        # As pixels inside the SVG: thousands of points would make the page heavy.
        axes.scatter(x, y, s=16, alpha=0.55, color=color, label=group, linewidths=0, rasterized=True)
    axes.set(xscale="log", yscale="log")
    _write_plainly(axes.xaxis)
    _write_plainly(axes.yaxis)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.15, color=_INK)
    if len(groups) > 1:
        _legend(axes, len(groups))
    return _finish(name, figure)


@mpl.rc_context(_STYLE)
def lines(name: str, groups: Mapping[str, tuple[ArrayLike, ArrayLike]], x_label: str, y_label: str) -> Drawing:
    """Return a line (x, y) for each group; both axes run from 0 to 1."""
    figure, axes = _canvas()
    for number, (group, (x, y)) in enumerate(groups.items()):
        axes.plot(x, y, color=COLORS[number % len(COLORS)], label=_short(group), linewidth=1.8)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.15, color=_INK)
    if len(groups) > 1:
        _legend(axes, len(groups))
    return _finish(name, figure)


def _canvas(height: float = 3.4) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, height), layout="constrained")
    return figure, figure.add_subplot()


def _write_plainly(axis: Axis) -> None:
    """Mark the logarithmic `axis`, with all it shows drawn, at 1, 2, 5, 10, … or at powers of ten, in plain numbers."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(10, (1, 2, 5) if high < MAX_RATIO * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e6 else f"{value:.0e}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: Axes, entries: int) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(entries, 4), handlelength=1.2)


def _finish(name: str, figure: Figure) -> Drawing:
    # Ids differ between the drawings of one page; letters that the font lacks are boxes in the PNG, text in the page.
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        picture, vector = io.BytesIO(), io.StringIO()
        figure.savefig(picture, format="png", dpi=130, facecolor="white")
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(vector, format="svg", dpi=130, transparent=True, metadata=nothing)
    svg = vector.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return Drawing(name, svg, picture.getvalue())


def _short(label: str) -> str:
    shown = label.encode("utf-8", "backslashreplace").decode("utf-8").replace("$", r"\$")  # $ begins a formula
    return shown if len(shown) <= 34 else f"…{shown[-33:]}"
