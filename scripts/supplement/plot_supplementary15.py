"""Draw Supplementary 15: the gap of an untrained model with and without its normalisations."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.palette import GRID, PALETTE
from modality_gap.figures.style import BAR, Layout, label_line, save

table = pd.read_csv(snakemake.input.table)
places = np.arange(len(table))[::-1]


def draw(layout: Layout) -> Figure:
    figure = layout.figure(60 + 34 * len(table))
    ax = figure.add_subplot()
    names = []
    for place, row in zip(places, table.to_dict("records"), strict=True):
        ax.plot([row["gap_low"], row["gap_high"]], [place] * 2, color=PALETTE[0], lw=4, alpha=BAR)
        ax.plot(row["gap"], place, "o", ms=8, color=PALETTE[0])
        label_line(ax, f"{row['gap']:.2f}", (row["gap_low"], place), PALETTE[0], weight="bold",
                   xytext=(-9, 0), ha="right")  # fmt: skip
        parts = (
            f"norm layers {'on' if row['norm_layers'] else 'off'}",
            f"pixels {'normalised' if row['input_normalisation'] else 'as they are'}",
        )
        names.append(("\n" if layout.narrow else ", ").join(parts))
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=GRID, lw=1)
    ax.set(xlim=(0, 1.1 * table["gap_high"].max()), ylim=(-0.6, len(table) - 0.4),
           xlabel="gap without training")  # fmt: skip
    return figure


save(draw, snakemake.output)
