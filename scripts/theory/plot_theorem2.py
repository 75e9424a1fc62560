"""Draw Theorem 2: share of the variance that the weights make, by depth, and its lower bounds."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import save_same, use_style

LABELS = {
    "ratio": "Var[E[h | Θ]] / Var[h]",
    "tighter_bound": "bound in the proof",
    "beta": "β, bound of the theorem",
}

use_style()
table = pd.read_csv(snakemake.input[0])
widths = list(table["width"].unique())
figure, axes = plt.subplots(1, len(widths), figsize=(10, 4), sharey=True, squeeze=False)
for ax, width in zip(axes[0], widths, strict=True):
    part = table[table["width"] == width]
    for color, marker, name in zip(PALETTE, "os^", LABELS, strict=False):
        ax.plot(part["layer"], part[f"{name}_closed_form"], color=color, lw=1)
        margins = None
        if f"{name}_low" in part:
            margins = [part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]]
        ax.errorbar(
            part["layer"], part[name], margins, color=color, fmt=marker, ms=5, capsize=3, lw=1,
            label=LABELS[name],
        )  # fmt: skip
    ax.set(title=f"width {width}", xlabel="layer", xticks=part["layer"])
    # Stretched towards 1, where all three end.
    ax.set_yscale("function", functions=(lambda y: -np.log(1 - y), lambda z: 1 - np.exp(-z)))
    ax.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99])
    ax.set_ylim(-0.1, 0.992)
axes[0, 0].set_ylabel("share of the variance, stretched")
axes[0, 0].legend(loc="lower right")
save_same(figure, snakemake.output)
