"""Draw Supplementary 15: an untrained model with and without its normalisations."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.pairs import draw_pairs, pairs_legend
from modality_gap.figures.style import save_same, use_style

use_style()
table = pd.read_csv(snakemake.input.table)
points = pd.read_parquet(snakemake.input.svd)
figure, axes = plt.subplots(1, len(table), figsize=(10, 3.9), squeeze=False)
for ax, (_, row) in zip(axes[0], table.iterrows(), strict=True):
    draw_pairs(ax, points[points["encoder"] == row["encoder"]])
    ax.set_title(
        f"norm layers {'on' if row['norm_layers'] else 'off'},\n"
        f"input normalisation {'on' if row['input_normalisation'] else 'off'}",
        fontsize=10,
    )
    ax.set_xlabel(
        f"gap {row['gap']:.3f} [{row['gap_low']:.3f}, {row['gap_high']:.3f}]\n"
        f"mean cosine {row['mean_cosine_a']:.2f} | {row['mean_cosine_b']:.2f}\n"
        f"separable {row['separability']:.3f}   n {row['n']}",
        fontsize=9,
    )
pairs_legend(figure)
save_same(figure, snakemake.output)
