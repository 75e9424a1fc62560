"""Draw Figure 3(b-d) and the other temperatures: loss against the gap's distance."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import minima, save_same, use_style

LETTERS = {0.01: "(b)", 0.02: "(c)", 1.0: "(d)"}

use_style()
landscape = pd.read_csv(snakemake.input.landscape)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
# A set without a gap has no shifts.
trained = gaps.index[gaps["weights"] == "trained"]
names = [name for name in trained if name in set(landscape["set"])]
temperatures = sorted(landscape["temperature"].unique())
figure, axes = plt.subplots(
    max(1, len(names)),
    max(1, len(temperatures)),
    figsize=(10, 2.3 * len(names) + 0.9),
    squeeze=False,
    sharex="row",
)
for line, name in enumerate(names):
    for column, temperature in enumerate(temperatures):
        ax = axes[line, column]
        curve = landscape[
            (landscape["set"] == name) & (landscape["temperature"] == temperature)
        ].sort_values("delta")
        ax.plot(curve["distance"], curve["loss"], color=PALETTE[0], marker=".", ms=3)
        ax.plot(curve["distance"], curve["loss_as_released"], color=PALETTE[3], ls="--", lw=1)
        ax.axvline(gaps.loc[name, "gap"], color=INK, ls=":", lw=1)
        lowest = minima(curve)
        ax.plot(lowest["distance"], lowest["loss"], "v", ms=7, color=PALETTE[1])
        ax.tick_params(labelsize=8)
        if line == 0:
            value = f"1/{round(1 / temperature)}" if temperature < 1 else "1"
            ax.set_title(f"{LETTERS.get(temperature, '')} temperature {value}", fontsize=10)
        if line == len(names) - 1:
            ax.set_xlabel("gap distance", fontsize=9)
    axes[line, 0].set_ylabel(f"{name}\nloss")
handles = [
    plt.Line2D([], [], color=PALETTE[0], marker=".", label="symmetric loss"),
    plt.Line2D([], [], color=PALETTE[3], ls="--", label="loss as released"),
    plt.Line2D([], [], color=PALETTE[1], marker="v", ls="", label="minimum"),
    plt.Line2D([], [], color=INK, ls=":", label="gap of the model"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=4)
save_same(figure, snakemake.output)
