"""Draw the gap of every model, and where its loss is smallest at each temperature."""

from modality_gap.logs import log_to

log_to(snakemake)

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, MUTED, PALETTE
from modality_gap.figures.style import letter, save_same, use_style
from modality_gap.measures.registry import label

use_style()
gaps = pd.read_csv(snakemake.input.gap)
minimum = pd.read_csv(snakemake.input.minimum)
temperatures = sorted(minimum["temperature"].unique())
colors = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(temperatures)))
rows = pd.Series(np.arange(len(gaps))[::-1], index=gaps["set"])
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 1.6 + 0.42 * len(gaps)), width_ratios=[2, 3], sharey=True
)
for _, row in gaps.iterrows():
    # The interval is without the bias of the mark, which may lie beyond it.
    place = rows[row["set"]]
    left.hlines(place, row["gap_low"], row["gap_high"], color=PALETTE[0], lw=1.2)
    left.plot(
        row["gap"],
        place,
        "o",
        ms=6,
        color=PALETTE[0],
        mfc=PALETTE[0] if row["weights"] == "trained" else "white",
    )
left.set(
    xlabel=label("gap"),
    title="Gap",
    yticks=rows,
    yticklabels=[f"{name}\nn {n}" for name, n in zip(gaps["set"], gaps["n"], strict=True)],
    ylim=(-0.6, len(gaps) - 0.4),
)
left.tick_params(axis="y", labelsize=8)
left.set_xlim(0, None)
for number, temperature in enumerate(temperatures):
    # What is smallest at the end of the sweep is no minimum.
    part = minimum[(minimum["temperature"] == temperature) & ~minimum["at_end"]]
    places = rows[part["set"]] + 0.3 - 0.6 * number / max(1, len(temperatures) - 1)
    right.hlines(
        places, part["distance_low"], part["distance_high"], color=colors[number], lw=1, alpha=0.7
    )
    right.plot(part["distance"], places, "o", ms=4, color=colors[number])
for name, gap in zip(gaps["set"], gaps["gap"], strict=True):
    right.plot([gap, gap], rows[name] + np.array([-0.38, 0.38]), color=INK, lw=1.4)
right.axvline(0, color=MUTED, lw=0.8, ls=":")
right.set(xlabel="distance of the centres", title="Where the contrastive loss is smallest")
for ax in (left, right):
    ax.grid(axis="y", lw=0.4, color="#DDDDDD")
    ax.set_axisbelow(True)
right.tick_params(axis="y", length=0)
handles = [
    plt.Line2D([], [], marker="o", ls="", color=PALETTE[0], label="trained"),
    plt.Line2D([], [], marker="o", ls="", color=PALETTE[0], mfc="white", label="random weights"),
    *(
        plt.Line2D(
            [],
            [],
            marker="o",
            ms=4,
            color=color,
            label=f"at 1/{round(1 / temperature)}" if temperature < 1 else f"at {temperature:g}",
        )
        for color, temperature in zip(colors, temperatures, strict=True)
    ),
    plt.Line2D([], [], color=INK, lw=1.4, label="gap"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=5)
letter(left, "(a)")
letter(right, "(b)")
save_same(figure, snakemake.output)
