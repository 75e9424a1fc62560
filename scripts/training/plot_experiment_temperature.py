"""Draw Supplementary 8: gap, recall and zero-shot accuracy after fine-tuning, by temperature."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import save_same, use_style

PANELS = {
    "gap": ("gap, held-out pairs", {"gap": "gap"}),
    "recall": (
        "recall@1, held-out pairs",
        {"recall1_ab": "image to text", "recall1_ba": "text to image"},
    ),
    "zero_shot": ("zero-shot accuracy", {"zero_shot": "accuracy"}),
}

use_style()
runs, summary, untouched = (
    pd.read_csv(snakemake.input[name]) for name in ("runs", "summary", "untouched")
)
summary = summary.sort_values("temperature")
before = untouched.iloc[0]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6))
for ax, (ylabel, quantities) in zip(axes, PANELS.values(), strict=True):
    for color, marker, (name, label) in zip(PALETTE, "os", quantities.items(), strict=False):
        column = f"{name}_after"
        ax.plot(runs["temperature"], runs[column], ".", color=color, ms=4, alpha=0.5)
        ax.plot(
            summary["temperature"], summary[column], f"{marker}-", ms=5, color=color, label=label
        )
        ax.fill_between(
            summary["temperature"],
            summary[f"{column}_low"],
            summary[f"{column}_high"],
            color=color,
            alpha=0.2,
            lw=0,
        )
        ax.axhline(before[name], color=color, ls="--", lw=1)
    low = min(0.0, summary[f"{column}_low"].min()) if ax is axes[0] else None
    ax.set(xscale="log", xlabel="temperature", ylabel=ylabel, ylim=(low, None))
    ticks = summary["temperature"].to_numpy()
    ax.set_xticks(ticks, [f"1/{1 / tick:.0f}" if tick < 1 else f"{tick:g}" for tick in ticks])
    ax.tick_params(axis="x", rotation=60)
    ax.minorticks_off()
    if len(quantities) > 1:
        ax.legend()
axes[0].plot([], [], color=INK, ls="--", lw=1, label="untouched model")
axes[0].legend(loc="center right")
save_same(figure, snakemake.output)
