"""Both modalities of a set in the plane, a line per pair (Figure 1; Supplementary 4 and 15)."""

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from modality_gap.figures.palette import FAINT, IMAGE_COLOR, MUTED, TEXT_COLOR
from modality_gap.figures.style import letter, plain

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 4


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
