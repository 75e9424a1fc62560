"""Draw Figure 2(a): histograms of all pairwise cosines, three encoders, three settings."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import letter, save_same, use_style

ROWS = {
    ("trained", "real"): "trained weights,\nreal inputs",
    ("random", "real"): "random weights,\nreal inputs",
    ("random", "noise"): "random weights,\nnoise",
}

use_style()
table = pd.read_csv(snakemake.input.table)
histogram = pd.read_csv(snakemake.input.histogram)
encoders = list(table["encoder"].unique())
figure, axes = plt.subplots(3, len(encoders), figsize=(10, 7.2), sharex=True, squeeze=False)
for line, ((weights, inputs), row_label) in enumerate(ROWS.items()):
    for column, encoder in enumerate(encoders):
        ax = axes[line, column]
        chosen = {"encoder": encoder, "weights": weights, "inputs": inputs}
        bars = histogram.merge(pd.DataFrame([chosen]))
        numbers = table.merge(pd.DataFrame([chosen])).iloc[0]
        width = bars["cosine_high"] - bars["cosine_low"]
        density = bars["pairs"] / bars["pairs"].sum() / width
        ax.bar(bars["cosine_low"], density, width, align="edge", color=PALETTE[line], lw=0)
        ax.axvline(numbers["mean_cosine"], color=INK, ls="--", lw=1)
        ax.text(
            0.03,
            0.95,
            f"mean {numbers['mean_cosine']:.4f}\nmin {numbers['min_cosine']:.4f}\n"
            f"n {numbers['n']}, {numbers['n'] * (numbers['n'] - 1):,} pairs",
            transform=ax.transAxes,
            va="top",
            fontsize=9,
        )
        ax.set_xlim(snakemake.params.axis)
        ax.set_ylim(0, 1.35 * density.max())  # room for the numbers
        if line == 0:
            ax.set_title(encoder)
        if line == 2:
            ax.set_xlabel("cosine similarity")
        if column == 0:
            ax.set_ylabel(f"{row_label}\ndensity")
letter(axes[0, 0], "(a)")
save_same(figure, snakemake.output)
