"""Draw Figure 2(c): initialisations, a colour per seed, and the singular values.

Supplementary 5, 7, 13 and 14 are the same picture of other embeddings or other coordinates."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, MUTED, PALETTE
from modality_gap.figures.style import letter, plain, save_same, use_style


def axis_label(cloud: pd.DataFrame, name: str) -> str:
    kind, number = name.split("_")
    share = f" ({cloud[f'share_{number}'].iloc[0]:.1%} of variance)" if kind == "pc" else ""
    return f"{kind.upper()} {number}{share}"


use_style()
clouds, spectra = (
    [part for _, part in table.groupby("encoder", sort=False)]
    for table in (pd.read_parquet(snakemake.input.points), pd.read_csv(snakemake.input.spectrum))
)
figure, axes = plt.subplots(
    2, len(clouds), figsize=(10, 6.4), height_ratios=[1.6, 1], squeeze=False
)
for column, (cloud, spectrum) in enumerate(zip(clouds, spectra, strict=True)):
    ax = axes[0, column]
    # 25 seeds are more than a colour-blind safe palette holds: what counts is one colour a clump,
    # so each clump carries its seed's number too.
    first, second = cloud.columns[2:4]  # behind the encoder and the seed
    ax.scatter(
        cloud[first],
        cloud[second],
        c=cloud["seed"],
        cmap="viridis",
        s=16,
        lw=0,
        rasterized=True,
    )
    for seed, part in cloud.groupby("seed"):
        ax.annotate(
            str(seed),
            part[[first, second]].median(),
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=8,
            ha="center",
            va="bottom",
        )
    ax.set(xticks=[], yticks=[], xlabel=axis_label(cloud, first))
    # A share of the variance differs from encoder to encoder; "UMAP 2" does not.
    if column == 0 or second.startswith("pc"):
        ax.set_ylabel(axis_label(cloud, second))
    numbers = spectrum.iloc[0]
    ax.set_title(
        plain(
            f"{numbers['encoder']}: {numbers['initialisations']} seeds x {numbers['items']} items",
            45,
        )
    )

    ax = axes[1, column]
    last = numbers["initialisations"] - 1  # k cones need k - 1 components between them
    between = spectrum["component"] <= last
    for part, color in ((spectrum[between], PALETTE[0]), (spectrum[~between], MUTED)):
        ax.plot(part["component"], part["singular_value"], "o", ms=4, color=color)
    ax.axvline(last + 0.5, color=INK, ls="--", lw=0.8)
    values = spectrum.set_index("component")["singular_value"]
    ax.text(
        last + 1.5,
        values.iloc[0] * 0.75,
        f"value {last}: {values[last]:.2f}\nvalue {last + 1}: {values[last + 1]:.2f}\n"
        f"between seeds: {numbers['between_share']:.1%}\nof the variance",
        fontsize=9,
        va="center",
    )
    ax.set(xlabel="component", ylabel="singular value" if column == 0 else "", ylim=(0, None))
if snakemake.params.letter:
    letter(axes[0, 0], snakemake.params.letter)
save_same(figure, snakemake.output)
