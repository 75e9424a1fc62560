"""Draw recall against gap for models that were trained with the losses of follow-ups."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from modality_gap.figures.labels import LEADER, places_beside
from modality_gap.figures.palette import FAINT, GROUND, INK, PALETTE
from modality_gap.figures.style import Layout, plain, save

params = snakemake.params
# The numbers of the marks go from the smallest gap to the largest.
methods = pd.read_csv(snakemake.input.summary, index_col="method").sort_values("gap")
temperatures = methods[methods.index.isin(params.family)].sort_values(
    ["temperature", "gap"], ascending=[True, False]
)
STYLES = {
    "family": (INK, "s", "CLIP, temperature alone differs"),
    "after_training": (PALETTE[1], "D", "starts from the trained baseline"),
    "other": (PALETTE[0], "o", "another loss"),
}
ROW = 21  # pixels of a line of the key


def style_of(name: str) -> tuple[str, str, str]:
    for kind in ("family", "after_training"):
        if name in params[kind]:
            return STYLES[kind]
    return STYLES["other"]


def draw_points(ax: Axes) -> None:
    ax.plot(temperatures["gap"], temperatures["recall1"], color=INK, lw=1.4, zorder=1)
    for name, row in methods.iterrows():
        color, marker, _ = style_of(name)
        ax.plot([row["gap_low"], row["gap_high"]], [row["recall1"]] * 2, color=color, lw=1)
        ax.plot([row["gap"]] * 2, [row["recall1_low"], row["recall1_high"]], color=color, lw=1)
        ax.plot(row["gap"], row["recall1"], marker, ms=7, color=color, mec=GROUND, mew=0.8)
    ax.set(xlabel="gap", ylabel="recall@1, mean of both ways", xlim=(0, None), ylim=(0, None))


def draw_numbers(ax: Axes, layout: Layout) -> None:
    """Write a number beside each mark, with a thin line to its mark if another mark is nearer."""
    scale = 72 / ax.figure.dpi

    def pixels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ax.transData.transform(np.stack([x, y], axis=1)) * scale

    gap, recall = (
        methods[[f"{name}_low", name, f"{name}_high"]].to_numpy() for name in ("gap", "recall1")
    )
    along = np.linspace(0, 1, 9)
    bars = [pixels(np.interp(along, [0, 1], row[[0, 2]]), np.full(9, at[1]))
            for row, at in zip(gap, recall, strict=True)]  # fmt: skip
    bars += [pixels(np.full(9, at[1]), np.interp(along, [0, 1], row[[0, 2]]))
             for row, at in zip(recall, gap, strict=True)]  # fmt: skip
    points = pixels(gap[:, 1], recall[:, 1])
    joined = temperatures[["gap", "recall1"]].to_numpy()
    bars.append(pixels(*np.linspace(joined[:-1], joined[1:], 60).reshape(-1, 2).T))
    highest = ax.get_window_extent().y1 * scale
    places = places_beside(points, np.concatenate(bars), layout.font, highest)
    for number, (x, y) in enumerate(places, start=1):
        name = methods.index[number - 1]
        row = methods.loc[name]
        arrow = {"arrowstyle": "-", "color": FAINT, "lw": 0.7, "shrinkA": 0, "shrinkB": 2}
        ax.annotate(
            f"{number}",
            (row["gap"], row["recall1"]),
            xytext=(x, y),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize="small",
            color=style_of(name)[0],
            arrowprops=arrow if max(abs(x), abs(y)) > LEADER * layout.font else None,
        )


def draw_key(ax: Axes, layout: Layout) -> None:
    """Draw the key to the numbers, below the key to the shapes."""
    ax.set(xlim=(0, 1), ylim=(len(methods) + 4.2, -0.5))
    ax.set_axis_off()
    for number, (name, row) in enumerate(methods.iterrows(), start=1):
        text = f"{number}  {plain(row['label'], 60)}"
        ax.text(0, number + 3.2, text, color=style_of(name)[0], fontsize="small", va="center")
    for place, (color, marker, words) in enumerate(STYLES.values()):
        ax.add_line(Line2D([0.015], [place], marker=marker, ms=7, color=color, ls=""))
        ax.text(0.05, place, words, color=color, fontsize="small", va="center")


def draw(layout: Layout) -> Figure:
    key = ROW * (len(methods) + 4.7)
    height = 300 + key if layout.narrow else max(420, key)
    figure = layout.figure(height)
    figure.set_layout_engine("none")
    if layout.narrow:
        panel = 0.14, (key + 50) / height, 0.83, 240 / height
        beside = 0.02, 0, 0.96, key / height
    else:
        panel, beside = (0.065, 55 / height, 0.49, 1 - 70 / height), (0.6, 0, 0.4, key / height)
    ax = figure.add_axes(panel)
    draw_points(ax)
    draw_numbers(ax, layout)
    draw_key(figure.add_axes(beside), layout)
    return figure


save(draw, snakemake.output)
