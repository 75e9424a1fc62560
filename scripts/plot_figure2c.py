"""Draw Figure 2(c): random initialisations, a colour per seed, and the singular values."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.plotting import INK, MUTED, PALETTE, letter, save, use_style

use_style()
clouds, spectra = (
    [part for _, part in table.groupby("encoder", sort=False)]
    for table in (pd.read_parquet(snakemake.input.umap), pd.read_csv(snakemake.input.spectrum))
)
figure, axes = plt.subplots(
    2, len(clouds), figsize=(10, 6.4), height_ratios=[1.6, 1], squeeze=False
)
for column, (cloud, spectrum) in enumerate(zip(clouds, spectra, strict=True)):
    ax = axes[0, column]
    # 25 seeds are more than a colour-blind safe palette holds: what counts is one colour a clump,
    # so each clump carries its seed's number too.
    ax.scatter(
        cloud["umap_1"],
        cloud["umap_2"],
        c=cloud["seed"],
        cmap="viridis",
        s=16,
        lw=0,
        rasterized=True,
    )
    for seed, part in cloud.groupby("seed"):
        ax.annotate(
            str(seed),
            part[["umap_1", "umap_2"]].median(),
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=8,
            ha="center",
            va="bottom",
        )
    first = spectrum.iloc[0]
    ax.set_title(f"{first['encoder']}: {first['initialisations']} seeds x {first['items']} items")
    ax.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2" if column == 0 else "")

    ax = axes[1, column]
    last = first["initialisations"] - 1  # k cones need k - 1 components between them
    between = spectrum["component"] <= last
    for part, color in ((spectrum[between], PALETTE[0]), (spectrum[~between], MUTED)):
        ax.plot(part["component"], part["singular_value"], "o", ms=4, color=color)
    ax.axvline(last + 0.5, color=INK, ls="--", lw=0.8)
    values = spectrum.set_index("component")["singular_value"]
    ax.text(
        last + 1.5,
        values.iloc[0] * 0.75,
        f"value {last}: {values[last]:.2f}\nvalue {last + 1}: {values[last + 1]:.2f}\n"
        f"between seeds: {first['between_share']:.1%}\nof the variance",
        fontsize=9,
        va="center",
    )
    ax.set(xlabel="component", ylabel="singular value" if column == 0 else "", ylim=(0, None))
letter(axes[0, 0], "(c)")
save(figure, snakemake.output.svg, snakemake.output.pdf)
