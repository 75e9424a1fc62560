"""Draw section 4.4: the gap by training step, original against rotated start."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import save_same, use_style

use_style()
steps, summary, difference = (
    pd.read_csv(snakemake.input[name]) for name in ("steps", "summary", "difference")
)
modes, starts = (list(summary[name].unique()) for name in ("temperature_mode", "start"))
figure, axes = plt.subplots(1, len(modes), figsize=(10, 4), sharey=True, squeeze=False)
for ax, mode in zip(axes[0], modes, strict=True):
    for color, start in zip(PALETTE, starts, strict=False):
        for data, name in ((steps, "gap"), (summary, "gap_after")):
            chosen = data[(data["temperature_mode"] == mode) & (data["start"] == start)]
            if name == "gap":
                for _, run in chosen.groupby("seed"):
                    ax.plot(run["step"], run[name], color=color, lw=0.6, alpha=0.5)
                band = chosen.groupby("step")[name].agg(["min", "max", "mean"])
                ax.fill_between(band.index, band["min"], band["max"], color=color, alpha=0.15, lw=0)
                ax.plot(band.index, band["mean"], color=color, lw=2, label=f"{start} start")
                continue
            for at, column in ((0, "gap_before"), (steps["step"].max(), "gap_after")):
                value = chosen[column].iloc[0]
                ends = chosen[f"{column}_low"].iloc[0], chosen[f"{column}_high"].iloc[0]
                ax.errorbar(
                    at,
                    value,
                    [[value - ends[0]], [ends[1] - value]],
                    fmt="o",
                    ms=5,
                    color=color,
                    ecolor=INK,
                    elinewidth=1,
                    capsize=4,
                    zorder=3,
                )
    row = difference[difference["temperature_mode"] == mode].iloc[0]
    name = "gap_after_rotated_over_original"
    share, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    ax.set(
        title=f"temperature {mode}\n"
        f"rotated / original after training: {share:.0f} % ({low:.0f} to {high:.0f} %)",
        xlabel="training step",
        ylabel="gap, held-out pairs",
        ylim=(0, None),
    )
axes[0][-1].legend(loc="upper right")
save_same(figure, snakemake.output)
