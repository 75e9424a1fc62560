"""Draw Supplementary 16: the gap against the dimension of the shared space."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import save_same, use_style

PANELS = {
    "gap, held-out pairs": {"gap_before": "before training", "gap_after": "after training"},
    "recall@1, held-out pairs": {
        "recall1_ab_after": "image to text",
        "recall1_ba_after": "text to image",
    },
}

use_style()
runs, summary = (pd.read_csv(snakemake.input[name]) for name in ("runs", "summary"))
summary = summary.sort_values("dim")
colors = iter(PALETTE)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8))
for ax, (ylabel, quantities) in zip(axes, PANELS.items(), strict=True):
    for marker, (name, label) in zip("os", quantities.items(), strict=True):
        color = next(colors)
        ax.plot(runs["dim"], runs[name], ".", color=color, ms=4, alpha=0.5)
        ax.plot(summary["dim"], summary[name], f"{marker}-", ms=5, color=color, label=label)
        band = summary[f"{name}_low"], summary[f"{name}_high"]
        ax.fill_between(summary["dim"], *band, color=color, alpha=0.2, lw=0)
    ax.set(xscale="log", xlabel="dimensions of the shared space", ylabel=ylabel)
    ax.set_ylim(0, None)
    ax.set_xticks(summary["dim"], summary["dim"])
    ax.minorticks_off()
    ax.legend()
save_same(figure, snakemake.output)
