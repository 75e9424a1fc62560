"""Draw Supplementary 9: loss on the sphere, mismatched and matched, one panel per temperature."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import save_same, use_style

use_style()
table = pd.read_csv(snakemake.input[0])
spacings = list(table["spacing_deg"].unique())
temperatures = sorted(table["temperature"].unique(), reverse=True)
figure, axes = plt.subplots(
    len(spacings),
    len(temperatures),
    figsize=(10, 2.6 * len(spacings) + 0.4),
    squeeze=False,
    sharex=True,
    sharey=True,
)
for line, spacing in enumerate(spacings):
    for column, temperature in enumerate(temperatures):
        ax = axes[line, column]
        here = table[(table["spacing_deg"] == spacing) & (table["temperature"] == temperature)]
        for mismatched, color, label in (
            (True, PALETTE[1], "first two pairs exchanged"),
            (False, PALETTE[0], "all pairs matched"),
        ):
            curve = here[here["mismatched"] == mismatched].sort_values("delta_theta_deg")
            ax.plot(curve["delta_theta_deg"], curve["loss"], color=color, label=label)
            lowest = curve[curve["loss"] <= curve["loss"].min() + 1e-9]
            ax.plot(lowest["delta_theta_deg"], lowest["loss"], "v", color=color, ms=6)
            for _, at in lowest.iterrows():
                # Towards the middle of the panel; at 0 one curve's label above, the other's below.
                side = np.sign(at["delta_theta_deg"])
                ax.annotate(
                    f"{at['delta_theta_deg']:.0f}°",
                    (at["delta_theta_deg"], at["loss"]),
                    xytext=(-6 * side, -5 if side or not mismatched else 5),
                    textcoords="offset points",
                    ha={-1: "left", 0: "center", 1: "right"}[side],
                    va="top" if side or not mismatched else "bottom",
                    fontsize=8,
                    color=color,
                )
        ax.set(xticks=range(-90, 91, 45))
        if line == 0:
            inverse = f"1/{round(1 / temperature)}" if temperature < 1 else "1"
            ax.set_title(f"temperature {inverse}")
        if line == len(spacings) - 1:
            ax.set_xlabel("Δθ (degrees)")
        if column == 0:
            ax.set_ylabel(f"spacing {spacing}°\nsymmetric loss")
axes[0, 0].set_ylim(-0.25, 1.05 * table["loss"].max())
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
save_same(figure, snakemake.output)
