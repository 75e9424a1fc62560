"""Draw recall against gap of models trained with the losses of follow-ups."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.follow_ups import short_label
from modality_gap.figures.palette import FAINT, INK, PALETTE
from modality_gap.figures.style import Layout, plain, save, spread

runs = pd.read_csv(snakemake.input.runs)
methods = pd.read_csv(snakemake.input.summary, index_col="method")
params = snakemake.params
temperatures = methods[methods.index.isin(params.family)].sort_values(
    ["temperature", "gap"], ascending=[True, False]
)


def color_of(name: str) -> str:
    if name in params.family:
        return INK
    return PALETTE[1] if name in params.after_training else PALETTE[0]


def draw_points(ax: Axes) -> None:
    ax.plot(temperatures["gap"], temperatures["recall1"], color=INK, lw=1.4, zorder=1)
    for name, row in methods.iterrows():
        color = color_of(name)
        own = runs[runs["method"] == name]
        ax.plot(own["gap"], own["recall1"], ".", ms=4, alpha=0.45, color=color)
        ax.plot([row["gap_low"], row["gap_high"]], [row["recall1"]] * 2, color=color, lw=1)
        ax.plot([row["gap"]] * 2, [row["recall1_low"], row["recall1_high"]], color=color, lw=1)
        marker = "s" if name in params.family else "D" if name in params.after_training else "o"
        ax.plot(row["gap"], row["recall1"], marker, ms=6, color=color)
    ax.set(xlabel="gap", ylabel="recall@1, mean of both ways", xlim=(0, None), ylim=(0, None))


def draw_labels(ax: Axes, layout: Layout) -> None:
    """The names beside the panel, each with a thin line to its point."""
    low, high = ax.get_ylim()
    right = ax.get_xlim()[1]
    span = high - low
    order = methods.sort_values("recall1")
    apart = span / max(len(order) - 1, 1)
    places = spread([*order["recall1"]], apart)
    shift = min(0.0, high - max(places)) or max(0.0, low - min(places))
    for (name, row), place in zip(order.iterrows(), places, strict=True):
        ax.annotate(
            plain(short_label(row["label"]), 24 if layout.narrow else 60),
            (row["gap"], row["recall1"]),
            xytext=(right * 1.12, place + shift),
            textcoords="data",
            annotation_clip=False,
            va="center",
            fontsize="small",
            color=color_of(name),
            arrowprops={
                "arrowstyle": "-",
                "color": FAINT,
                "lw": 0.6,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def draw(layout: Layout) -> Figure:
    figure = layout.figure((27 if layout.narrow else 24) * len(methods) + 90)
    ax = figure.add_subplot()
    draw_points(ax)
    draw_labels(ax, layout)
    return figure


save(draw, snakemake.output)
