"""The style of every figure, its two layouts, and files that are reproducible byte for byte."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from string import ascii_lowercase
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from modality_gap.figures.palette import FAINT, GROUND, INK, PALETTE
from modality_gap.figures.svg import themed

if TYPE_CHECKING:  # only some figures are drawn from tables, and pandas takes a second to import
    import numpy as np
    import pandas as pd

STYLE: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "figure.facecolor": GROUND,
    "savefig.facecolor": GROUND,
    "axes.facecolor": "none",
    "font.family": "DejaVu Sans",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": "small",
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "legend.fontsize": "small",
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "lines.linewidth": 2,
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
}


# Letters of panels, in order: a to z, then aa.
LETTERS = [first + second for first in ("", *ascii_lowercase) for second in ascii_lowercase]
BAR = 0.75  # opacity of interval bars; every colour keeps a contrast of 3


@dataclass(frozen=True)
class Layout:
    """A width that figures are drawn for, and the size of the text in them, in pixels."""

    narrow: bool
    width: int
    font: float  # "small" is 0.833 of it

    def figure(self, height: float) -> Figure:
        """An empty figure of this width, with a height in pixels."""
        # Lengths in points are pixels, as an SVG of matplotlib's has one unit a point.
        return plt.figure(figsize=(self.width / 72, height / 72))

    def grid(self, count: int, columns: int, height: float, **options: Any) -> tuple[Figure, list]:
        """A figure of `count` panels in rows of `columns`, each `height` pixels high, and its
        axes."""
        columns = max(1, min(columns, count))
        rows = max(1, math.ceil(count / columns))
        figure = self.figure(height * rows)
        axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
        for ax in axes[count:]:
            ax.set_axis_off()
        return figure, list(axes[:count])


WIDE, NARROW = Layout(False, 934, 13.5), Layout(True, 358, 11)
LAYOUTS = {"svg": WIDE, "narrow": NARROW}
Draw = Callable[[Layout], Figure]


def drawn(draw: Draw, layout: Layout) -> Figure:
    """The figure that `draw` makes for a layout, in the style of all figures."""
    mpl.use("Agg")
    with plt.rc_context({**STYLE, "font.size": layout.font}):
        return draw(layout)


def save(draw: Draw, output: Any) -> None:
    """Write a figure for both layouts as SVG (`output.svg`, `output.narrow`), and for the wide
    layout also as PDF (`output.pdf`). No file has a time stamp."""
    for kind, layout in LAYOUTS.items():
        figure, path = drawn(draw, layout), Path(getattr(output, kind))
        # Element ids of an SVG are random without a salt, and differ between files with this one.
        with plt.rc_context({**STYLE, "font.size": layout.font, "svg.hashsalt": path.stem}):
            written = BytesIO()
            figure.savefig(written, format="svg", metadata={"Date": None})
            path.write_text(themed(written.getvalue()), encoding="utf-8")
            if layout is WIDE:
                title = f"Mind the Gap, reproduced: {path.stem.replace('_', ' ')}"
                about = {"CreationDate": None, "Title": title}
                figure.savefig(output.pdf, format="pdf", metadata=about)
        plt.close(figure)


def plain(text: str, width: int = 28) -> str:
    """A user's text shown literally, so that no dollar sign begins a formula. Long texts are broken
    into lines of `width` characters, which fit one of four panels."""
    return "\n".join(wrap(text, width)).replace("$", r"\$")


def decimals(*axes: Axis) -> None:
    """Label the powers of ten on logarithmic axes as decimals, because exponents are too small to
    read."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{value:.9f}".rstrip("0").rstrip("."))
        axis.set_minor_locator(NullLocator())


def draw_band(ax: Axes, x: Any, low: Any, high: Any, color: str) -> None:
    """Fill an interval about a curve, with a thin line along each edge."""
    ax.fill_between(x, low, high, color=color, alpha=0.15, lw=0)
    for edge in (low, high):
        ax.plot(x, edge, color=color, lw=0.7, alpha=BAR, zorder=1.5)


def label_line(ax: Axes, text: str, at: tuple[float, float], color: str, **options: Any) -> None:
    """Write a label beside a point of a curve, in the curve's colour. By default, the label is to
    the right of the point."""
    options = {"xytext": (6, 0), "ha": "left", "va": "center", "fontsize": "small"} | options
    ax.annotate(text, at, textcoords="offset points", color=color, annotation_clip=False, **options)


def spread(places: list[float], apart: float) -> list[float]:
    """Places for labels along an axis, in the order of `places`. Each is as near as possible to its
    own place, and at least `apart` from the others."""
    order = sorted(range(len(places)), key=places.__getitem__)
    groups: list[tuple[float, list[int]]] = []  # sum of what each member wants its group at
    for at in order:
        wanted, members = places[at], [at]
        while groups:
            total, others = groups[-1]
            if total / len(others) + apart * len(others) <= wanted / len(members):
                break
            groups.pop()
            wanted = total + wanted - apart * len(others) * len(members)
            members = others + members
        groups.append((wanted, members))
    found = [0.0] * len(places)
    for wanted, members in groups:
        for number, at in enumerate(members):
            found[at] = wanted / len(members) + apart * number
    return found


def apart(points: "np.ndarray", size: "np.ndarray") -> list[tuple[float, float]]:
    """Offsets in pixels from points (n, 2) to labels of one size (width, height) that do not touch.
    A label takes the first free place above the point or around it. If there is none, it stays
    above its point."""
    import numpy as np

    around = [(0.0, 8.0)]
    for radius in (10, 17, 24, 32):
        angles = np.radians(90 + np.arange(0, 360, 30))
        around += list(zip(radius * np.cos(angles), radius * np.sin(angles), strict=True))
    placed: list[np.ndarray] = []
    found = []
    for point in points:
        free = [
            one
            for one in around
            if all((np.abs(point + one - other) >= size).any() for other in placed)
        ]
        found.append((free or around)[0])
        placed.append(point + found[-1])
    return found


def above_minima(
    landscape: "pd.DataFrame", minimum: "pd.DataFrame"
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The losses by shift and their minima, both with a column `above`: the loss minus the smallest
    loss of the same set and temperature. Minima at an end of the sweep are left out, because the
    loss may fall further beyond the end.

    `landscape` is the sweep in coarse steps, and `minimum` is what a fine sweep found. The smallest
    loss is the lower of the two.
    """
    keys = ["set", "temperature"]
    fine = landscape[keys].merge(minimum[[*keys, "loss"]], how="left")["loss"].to_numpy()
    least = landscape.groupby(keys)["loss"].transform("min").clip(upper=fine)
    curves = landscape.assign(least=least, above=landscape["loss"] - least)
    smallest = curves[[*keys, "least"]].drop_duplicates()
    lows = minimum[~minimum["at_end"].astype(bool)].merge(smallest)
    return curves, lows.assign(above=lows["loss"] - lows["least"])
