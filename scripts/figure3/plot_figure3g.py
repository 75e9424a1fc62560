"""Draw Figure 3(g): loss of six pairs on the sphere, mismatched and matched."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import letter, save_same, use_style

use_style()
table = pd.read_csv(snakemake.input[0])
spacings = list(table["spacing_deg"].unique())
figure, axes = plt.subplots(2, len(spacings), figsize=(10, 6.4), squeeze=False, sharex=True)
for line, mismatched in enumerate((True, False)):
    for column, spacing in enumerate(spacings):
        ax = axes[line, column]
        part = table[(table["spacing_deg"] == spacing) & (table["mismatched"] == mismatched)]
        temperatures = sorted(part["temperature"].unique(), reverse=True)
        for color, temperature in zip(PALETTE, temperatures, strict=False):
            curve = part[part["temperature"] == temperature].sort_values("delta_theta_deg")
            label = f"1/{round(1 / temperature)}" if temperature < 1 else "1"
            ax.plot(curve["delta_theta_deg"], curve["loss"], color=color, label=label)
            lowest = curve["loss"].min()
            at = curve.loc[curve["loss"] <= lowest + 1e-9, ["delta_theta_deg", "loss"]]
            ax.plot(*at.to_numpy().T, "v", color=color, ms=6)
        ax.set_title(
            f"{'first two pairs exchanged' if mismatched else 'all pairs matched'}, "
            f"spacing {spacing}°"
        )
        ax.set(xticks=range(-90, 91, 30), ylim=(0, None))
        if line == 1:
            ax.set_xlabel("Δθ between images and texts (degrees)")
        if column == 0:
            ax.set_ylabel("symmetric loss")
axes[0, 0].legend(title="temperature", ncols=2)
letter(axes[0, 0], "(g)")
save_same(figure, snakemake.output)
