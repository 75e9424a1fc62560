"""Draws both modalities of a set in the plane, one line per pair (Figure 1; Supplementary 4 and
15)."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from modality_gap.figures.palette import FAINT, IMAGE_COLOR, MUTED, TEXT_COLOR
from modality_gap.figures.style import Layout, plain

if TYPE_CHECKING:
    import pandas as pd

COLORS = {"a": IMAGE_COLOR, "b": TEXT_COLOR}
MOST_PAIRS = 500  # drawn of a set, evenly spaced; more would only cover each other


def draw_lines(ax: Axes, ends: np.ndarray, **look: Any) -> None:
    """Draw straight lines (n, 2 ends, 2 coordinates) as one path, which makes a small file. If the
    ends of a line coincide and caps are round, the line is a dot."""
    codes = np.tile([Path.MOVETO, Path.LINETO], len(ends))
    path = Path(ends.reshape(-1, 2), codes)
    path.should_simplify = False  # would drop dots
    ax.add_patch(PathPatch(path, fill=False, capstyle="round", **look))


def draw_dots(ax: Axes, points: np.ndarray, size: float, color: str, **look: Any) -> None:
    """Draw points (n, 2) as dots whose diameter is `size` pixels."""
    draw_lines(ax, np.repeat(points[:, None], 2, axis=1), lw=size, color=color, **look)


def draw_pairs(ax: Axes, points: "pd.DataFrame", size: float = 3) -> None:
    """Draw both modalities of one set in the plane, one line per pair. `points` has the columns
    set, side and the two coordinates; the rows of each side are in the order of the pairs."""
    coordinates = points.columns[2:4]
    sides = {side: part[coordinates].to_numpy() for side, part in points.groupby("side")}
    step = math.ceil(len(sides["a"]) / MOST_PAIRS)
    sides = {side: part[::step] for side, part in sides.items()}
    draw_lines(ax, np.stack([sides["a"], sides["b"]], axis=1), lw=0.4, color=FAINT, alpha=0.35)
    for side, part in sides.items():
        draw_dots(ax, part, size, COLORS[side])
    ax.autoscale_view()
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=FAINT, lw=0.6)


def draw_sets(
    figure: Figure | SubFigure,
    layout: Layout,
    models: "pd.DataFrame",
    points: "pd.DataFrame",
    letters: dict[str, str],
    gaps: "pd.Series | None" = None,
) -> None:
    """Draw one column per model, with trained weights above random weights, in as many rows as
    needed.

    `models` is the result of `models_in_order`. `points` are those of all sets, as `draw_pairs`
    takes them. `letters` has the letter of the row for each kind of weights. `gaps` has the gap of
    each set, to be written below its panel.
    """
    columns = strips(len(models), layout)[1]
    blocks = [models[start : start + columns] for start in range(0, len(models), columns)]
    grid = figure.add_gridspec(2 * len(blocks), columns)
    for block, part in enumerate(blocks):
        for line, (weights, letter) in enumerate(letters.items()):
            for column, row in enumerate(part.to_dict("records")):
                ax = figure.add_subplot(grid[2 * block + line, column])
                if row[weights] is None:
                    ax.set(xticks=[], yticks=[])
                    ax.spines[:].set_visible(False)
                    ax.text(0.5, 0.5, f"no {weights}\nweights", ha="center", va="center",
                            color=MUTED, fontsize="small", transform=ax.transAxes)  # fmt: skip
                else:
                    draw_pairs(ax, points[points["set"] == row[weights]], 2 if layout.narrow else 3)
                    if gaps is not None:
                        ax.set_xlabel(f"gap {gaps[row[weights]]:.2f}", fontsize="small")
                if line == 0:
                    width = 12 if layout.narrow else 17
                    ax.set_title(plain(row["model"], width), loc="center", weight="normal",
                                 fontsize="small")  # fmt: skip
                if column == 0:
                    words = {"random": "untrained"}.get(weights, weights)
                    # A letter is of the whole row, which goes on in the blocks below.
                    words = f"{letter} {words}" if block == 0 else words
                    ax.set_ylabel(words, fontsize="small")


def strips(count: int, layout: Layout) -> tuple[int, int]:
    """The number of strips into which `draw_sets` puts models, and the number of models in the
    first strip. The other strips hold as many, or one fewer."""
    rows = max(1, math.ceil(count / (4 if layout.narrow else 7)))
    return rows, max(1, math.ceil(count / rows))


def plural(modality: str) -> str:
    """The word for items of a modality: images, or audio."""
    return modality if modality == "audio" else f"{modality}s"


def modalities_legend(figure: Figure | SubFigure, modalities: Iterable[Sequence[str]]) -> None:
    """Add a legend below the panels with the colour of every modality of the sets drawn."""
    sides = zip(*modalities, strict=True)
    names = {
        side: ", ".join(plural(one) for one in dict.fromkeys(part))
        for side, part in zip(COLORS, sides, strict=True)
    }
    handles = [
        Line2D([], [], marker="o", ls="", ms=6, color=COLORS[side], label=name)
        for side, name in names.items()
    ]
    figure.legend(handles=handles, labelcolor="linecolor", loc="outside lower center", ncols=2)
