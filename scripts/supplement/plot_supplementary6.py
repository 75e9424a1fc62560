"""Draw Supplementary 6: minimum, quartiles, maximum, mean and deviation of all cosines."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import save_same, use_style

low, high = snakemake.params.axis
use_style()
table = pd.read_csv(snakemake.input[0])
encoders = list(table["encoder"].unique())
figure, axes = plt.subplots(1, len(encoders), figsize=(10, 5.2), sharey=True, squeeze=False)
for ax, encoder in zip(axes[0], encoders, strict=True):
    part = table[table["encoder"] == encoder]
    for place, (_, row) in enumerate(part.iterrows()):
        box = {
            "whislo": row["min_cosine"],
            "q1": row["q1_cosine"],
            "med": row["median_cosine"],
            "q3": row["q3_cosine"],
            "whishi": row["max_cosine"],
        }
        ax.bxp(
            [box],
            positions=[place],
            widths=0.3,
            orientation="horizontal",
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": PALETTE[place], "alpha": 0.5},
            medianprops={"color": INK},
            manage_ticks=False,
        )
        ax.errorbar(
            row["mean_cosine"],
            place - 0.27,
            xerr=row["sd_cosine"],
            fmt="D",
            ms=4,
            capsize=3,
            color=PALETTE[place],
        )
        ax.text(
            0.02,
            place + 0.2,
            f"min {row['min_cosine']:.4f}   max {row['max_cosine']:.4f}\n"
            f"quartiles {row['q1_cosine']:.4f}  {row['median_cosine']:.4f}  "
            f"{row['q3_cosine']:.4f}\n"
            f"mean {row['mean_cosine']:.4f}   sd {row['sd_cosine']:.4f}   n {row['n']}",
            transform=ax.get_yaxis_transform(),
            va="top",
            fontsize=9,
        )
    ax.set(title=encoder, xlabel="cosine similarity", xlim=(low, high + 0.02), ylim=(2.75, -0.5))
    ax.set_yticks(
        range(len(part)),
        [f"{row['weights']} weights,\n{row['inputs']} inputs" for _, row in part.iterrows()],
    )
save_same(figure, snakemake.output)
