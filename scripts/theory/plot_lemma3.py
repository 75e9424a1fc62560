"""Draw Lemma 3: expected inner products before and after the ReLU."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import save_same, use_style

NAMES = {"product": "E[(Wu+b)·(Wv+b)]", "rectified": "2 E[φ(Wu+b)·φ(Wv+b)]"}
CLOSED = {"product": "1 + u·v", "rectified": "arc-cosine kernel"}

use_style()
table = pd.read_csv(snakemake.input[0])
ratios = list(table["norm_ratio"].unique())
figure, axes = plt.subplots(1, len(ratios), figsize=(10, 4), sharey=True, squeeze=False)
for ax, ratio in zip(axes[0], ratios, strict=True):
    part = table[table["norm_ratio"] == ratio]
    for color, marker, name in zip(PALETTE, "os", NAMES, strict=False):
        ax.plot(part["cosine"], part[f"{name}_closed_form"], color=color, label=CLOSED[name])
        margins = [part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]]
        ax.errorbar(
            part["cosine"], part[name], margins, color=color, fmt=marker, ms=4, capsize=2, lw=1,
            mfc="white", label=NAMES[name],
        )  # fmt: skip
    ax.set(title=f"|u| = 1, |v| = {ratio:g}", xlabel="cosine of u and v", ylim=(-0.05, None))
axes[0, 0].set_ylabel("expected inner product")
axes[0, 0].legend()
save_same(figure, snakemake.output)
