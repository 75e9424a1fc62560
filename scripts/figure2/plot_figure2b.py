"""Draw Figure 2(b): mean cosine by depth, with and without bias."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import letter, save_same, use_style

NAMES = {
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "tanh": "tanh",
    "linear": "none (linear)",
}

use_style()
table = pd.read_csv(snakemake.input.table)
closed_form = pd.read_csv(snakemake.input.closed_form)
table["activation"] = table["activation"].replace(NAMES)
order = [name for name in NAMES.values() if name in set(table["activation"])]
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
for ax, bias in zip(axes, (True, False), strict=True):
    for color, marker, name in zip(PALETTE, "osD^v", order, strict=False):
        part = table[(table["bias"] == bias) & (table["activation"] == name)]
        ax.plot(part["layer"], part["mean_cosine"], color=color, marker=marker, ms=4, label=name)
        band = part["mean_cosine_low"], part["mean_cosine_high"]
        ax.fill_between(part["layer"], *band, color=color, alpha=0.2, lw=0)
    part = closed_form[closed_form["bias"] == bias]
    ax.plot(
        part["layer"], part["mean_cosine"], "--", color=INK, zorder=5, label="ReLU, closed form"
    )
    ax.set(
        title="weights and biases from N(0, 1/width)" if bias else "no bias",
        xlabel="layer",
        ylabel="mean cosine similarity",
        ylim=(-0.05, 1.03),
        xticks=np.arange(0, table["layer"].max() + 1, 5),
    )
axes[1].legend(title="activation", loc="center right", bbox_to_anchor=(1, 0.4))
letter(axes[0], "(b)")
save_same(figure, snakemake.output)
