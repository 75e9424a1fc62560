"""Draw the control of one modality twice: gap and loss by step, separability and recall."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, MODALITY_COLORS
from modality_gap.figures.style import save_same, use_style

BARS = {
    "separability": "accuracy of\na line",
    "recall1_ab": "recall@1,\nfirst to second",
    "recall1_ba": "recall@1,\nsecond to first",
}

use_style()
steps, runs, summary = (pd.read_csv(snakemake.input[name]) for name in ("steps", "runs", "summary"))
modalities = list(summary["modality"])
figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), width_ratios=[1, 1, 1.5])
for modality in modalities:
    color = MODALITY_COLORS[modality]
    for ax, name in zip(axes, ("gap", "loss"), strict=False):
        chosen = steps[steps["modality"] == modality]
        for _, run in chosen.groupby("seed"):
            ax.plot(run["step"], run[name], color=color, lw=0.6, alpha=0.5)
        band = chosen.groupby("step")[name].agg(["min", "max", "mean"])
        ax.fill_between(band.index, band["min"], band["max"], color=color, alpha=0.15, lw=0)
        ax.plot(band.index, band["mean"], color=color, lw=2, label=f"{modality} twice")
axes[0].set(xlabel="training step", ylabel="gap, held-out items", ylim=(0, None))
axes[1].set(xlabel="training step", ylabel="training loss, full pass", yscale="log")
axes[1].legend(loc="upper right")

ax = axes[2]
groups = [(modality, suffix) for modality in modalities for suffix in ("before", "after")]
width = 0.8 / len(groups)
for number, (modality, suffix) in enumerate(groups):
    at = np.arange(len(BARS)) + (number - (len(groups) - 1) / 2) * width
    row = summary[summary["modality"] == modality].iloc[0]
    values = np.array([row[f"{name}_{suffix}"] for name in BARS])
    errors = [
        np.abs([row[f"{name}_{suffix}_{end}"] for name in BARS] - values) for end in ("low", "high")
    ]
    color = MODALITY_COLORS[modality]
    ax.bar(
        at,
        values,
        0.9 * width,
        color=color if suffix == "after" else "white",
        edgecolor=color,
        yerr=errors,
        ecolor=INK,
        error_kw={"elinewidth": 1, "capsize": 2},
        label=f"{modality} twice, {suffix} training",
    )
ax.plot([-0.45, 0.45], [0.5, 0.5], color=INK, ls=":", lw=1.2, zorder=3)
ax.set(ylabel="share", ylim=(0, 1.05))
ax.set_xticks(range(len(BARS)), BARS.values())
ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.24), ncols=2, fontsize=8)
save_same(figure, snakemake.output)
