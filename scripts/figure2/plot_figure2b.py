"""Draw Figure 2(b): mean cosine by depth, with and without bias."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import INK, MUTED, PALETTE
from modality_gap.figures.style import Layout, draw_band, label_line, save, spread

NAMES = {
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "tanh": "tanh",
    "linear": "linear",
}

table = pd.read_csv(snakemake.input.table)
closed_form = pd.read_csv(snakemake.input.closed_form)
published = snakemake.params.published
order = [name for name in NAMES if name in set(table["activation"])]


def draw_bias(ax, bias: bool) -> None:
    ends = []
    for color, marker, name in zip(PALETTE, "osD^v", order, strict=False):
        part = table[(table["bias"] == bias) & (table["activation"] == name)]
        leaky = name == "leaky_relu"  # lies on ReLU's
        ax.plot(part["layer"], part["mean_cosine"], color=color, marker=marker,
                ms=0 if leaky else 4, lw=1 if leaky else 2, zorder=3 if leaky else 2)  # fmt: skip
        band = part["mean_cosine_low"], part["mean_cosine_high"]
        draw_band(ax, part["layer"], *band, color)
        ends.append((NAMES[name], color, part["mean_cosine"].iloc[-1]))
    part = closed_form[closed_form["bias"] == bias]
    ax.plot(part["layer"], part["mean_cosine"], ls=(0, (2, 2)), color=INK, lw=1.2, zorder=5)
    middle = part.iloc[len(part) // 6]
    label_line(ax, "ReLU,\nclosed form", (middle["layer"], middle["mean_cosine"]), INK,
               xytext=(14, -22))  # fmt: skip
    for (name, color, end), height in zip(
        ends, spread([end[2] for end in ends], 0.065), strict=True
    ):
        label_line(ax, f"{name} {end:z.2f}", (part["layer"].max(), height), color)
    for layer, value in published.items() if bias else ():
        ax.plot(int(layer), value, color=MUTED, **DIAMOND)
        label_line(ax, f"paper {value:.2f}", (int(layer), value), MUTED, xytext=(9, 13))
    ax.set(
        title="weights and biases from N(0, 1/width)" if bias else "no bias",
        xlabel="layer",
        ylabel="mean cosine similarity",
        ylim=(-0.12, 1.16),
        yticks=[0, 0.2, 0.4, 0.6, 0.8, 1],
        xticks=range(0, int(table["layer"].max()) + 1, 5),
    )


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(2, 1 if layout.narrow else 2, 240 if layout.narrow else 330,
                               sharey=True)  # fmt: skip
    for ax, bias in zip(axes, (True, False), strict=True):
        draw_bias(ax, bias)
    return figure


save(draw, snakemake.output)
