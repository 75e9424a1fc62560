"""The style of every figure, and figure files that are reproducible byte for byte."""

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

if TYPE_CHECKING:  # only some figures are drawn from tables, and pandas takes a second to import
    import pandas as pd

# The colours of Okabe and Ito, which stay apart for every common kind of colour blindness.
PALETTE = [
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#E69F00",  # orange
    "#CC79A7",  # reddish purple
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#F0E442",  # yellow
]
IMAGE_COLOR, TEXT_COLOR = PALETTE[:2]
MODALITY_COLORS = {"image": IMAGE_COLOR, "text": TEXT_COLOR}
INK, MUTED, FAINT = "#222222", "#666666", "#BBBBBB"
MOST_COLUMNS = 4  # more panels in a row would make the numbers under them too small to read

STYLE: dict[Any, Any] = {
    "figure.figsize": (10, 4),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "lines.linewidth": 1.4,
    "svg.fonttype": "path",  # glyphs as outlines: the same picture where the font is missing
    "svg.hashsalt": "modality-gap",  # element ids of an SVG are random without it
    "pdf.fonttype": 42,
}


def use_style() -> None:
    """Set the style of all figures; text stays legible in a figure 900 pixels wide."""
    mpl.use("Agg")
    mpl.rcParams.update(STYLE)


def save(figure: Figure, svg_path: str | Path, pdf_path: str | Path) -> None:
    """Write the figure as SVG and as PDF, neither with a time stamp, and close it."""
    figure.savefig(svg_path, format="svg", metadata={"Date": None})
    figure.savefig(pdf_path, format="pdf", metadata={"CreationDate": None})
    plt.close(figure)


def plain(text: str, width: int = 28) -> str:
    """A user's text shown literally: no dollar sign begins a formula. Long texts are broken into
    lines of `width` characters, which fit one of four panels."""
    return "\n".join(wrap(text, width)).replace("$", r"\$")


def letter(ax: Axes, label: str) -> None:
    """Put a bold panel letter such as "(a)" at the upper left, outside the axes, 2-D or 3-D."""
    ax.annotate(
        label,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-8, 6),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=11,
        fontweight="bold",
        annotation_clip=False,
    )


def minima(curve: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of a sweep, in its order, with the smallest `loss`, except those at its ends, beyond
    which the loss may fall further."""
    lowest = curve[curve["loss"] == curve["loss"].min()]
    return lowest.drop(index=[curve.index[0], curve.index[-1]], errors="ignore")


def draw_pairs(ax: Axes, points: "pd.DataFrame") -> None:
    """Draw both modalities of one set in the plane, one line per pair. `points` has the columns
    set, side and the two coordinates; the rows of each side are in the order of the pairs."""
    first, second = points.columns[2:4]
    sides = {side: part[[first, second]].to_numpy() for side, part in points.groupby("side")}
    pairs = LineCollection(
        list(zip(sides["a"], sides["b"], strict=True)), colors=FAINT, lw=0.3, alpha=0.35
    )
    pairs.set_rasterized(True)
    ax.add_collection(pairs)
    for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
        across, up = sides[side].T
        ax.scatter(across, up, s=4, color=color, lw=0, rasterized=True)
    ax.set(xticks=[], yticks=[])


def pairs_legend(figure: Figure) -> None:
    """The legend of `draw_pairs`, below the panels."""
    handles = [
        plt.Line2D([], [], marker="o", ls="", color=IMAGE_COLOR, label="image (video, protein)"),
        plt.Line2D([], [], marker="o", ls="", color=TEXT_COLOR, label="text"),
        plt.Line2D([], [], color=FAINT, label="a pair"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)


def draw_sets(
    gaps: "pd.DataFrame", points: "pd.DataFrame", letters: dict[str, str], drawing: float = 0
) -> tuple[Figure, Axes | None]:
    """One panel per set and one column per model, trained above random weights (as Figure 1).

    `gaps` is gap.csv indexed by set, `points` as `draw_pairs` takes it for all sets, `letters` by
    weights the letter of the row. Returns the figure and, where `drawing` (inches) is not 0, axes
    of that height above the panels.
    """
    models = list(dict.fromkeys(gaps["model"]))
    columns = min(MOST_COLUMNS, len(models))
    blocks = [models[start : start + columns] for start in range(0, len(models), columns)]
    above = 1 if drawing else 0  # rows above the panels
    heights = [drawing] * above + [3.2] * 2 * len(blocks)
    figure = plt.figure(figsize=(10, sum(heights)))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    top = figure.add_subplot(grid[0, :]) if drawing else None
    for block, names in enumerate(blocks):
        for line, (weights, panel) in enumerate(letters.items()):
            for column in range(columns):
                ax = figure.add_subplot(grid[above + 2 * block + line, column])
                model = names[column] if column < len(names) else None
                match = gaps.index[(gaps["model"] == model) & (gaps["weights"] == weights)]
                if len(match):
                    draw_pairs(ax, points[points["set"] == match[0]])
                    _number_set(ax, gaps.loc[match[0]])
                else:
                    ax.set_axis_off()
                    if model:
                        note = f"{plain(model)}:\nno {weights} weights\navailable"
                        ax.text(0.5, 0.5, note, ha="center", va="center", color=MUTED)
                if column == 0:
                    letter(ax, panel)
    pairs_legend(figure)
    return figure, top


def _number_set(ax: Axes, row: "pd.Series") -> None:
    ax.set_title(plain(f"{row['model']}, {row['weights']}"))
    ax.set_xlabel(
        f"gap {row['gap']:.3f} [{row['gap_low']:.3f}, {row['gap_high']:.3f}]\n"
        f"mean cosine {row['mean_cosine_a']:.2f} | {row['mean_cosine_b']:.2f}\n"
        f"recall@1 {row['recall1_ab']:.3f} | {row['recall1_ba']:.3f}\n"
        f"separable {row['separability']:.3f}   n {row['n']}",
        fontsize=9,
    )
