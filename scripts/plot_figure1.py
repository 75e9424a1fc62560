"""Draw Figure 1: (a) the two encoders, (b) trained and (c) untrained models."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection

from modality_gap.plotting import FAINT, IMAGE_COLOR, MUTED, TEXT_COLOR, letter, save, use_style
from modality_gap.schematics import draw_two_encoders

MOST_COLUMNS = 4  # more would make the numbers under the panels too small to read

use_style()
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
points = pd.read_parquet(snakemake.input.umap)
models = list(dict.fromkeys(gaps["model"]))
columns = min(MOST_COLUMNS, len(models))
blocks = [models[start : start + columns] for start in range(0, len(models), columns)]
figure = plt.figure(figsize=(10, 2.9 + 6.4 * len(blocks)))
grid = figure.add_gridspec(
    1 + 2 * len(blocks), columns, height_ratios=[2.9, *[3.2] * 2 * len(blocks)]
)
top = figure.add_subplot(grid[0, :])
draw_two_encoders(top)
letter(top, "(a)")


def draw_set(ax: plt.Axes, name: str) -> None:
    row = gaps.loc[name]
    umap = points[points["set"] == name]
    sides = {side: part[["umap_1", "umap_2"]].to_numpy() for side, part in umap.groupby("side")}
    pairs = LineCollection(
        list(zip(sides["a"], sides["b"], strict=True)), colors=FAINT, lw=0.3, alpha=0.35
    )
    pairs.set_rasterized(True)
    ax.add_collection(pairs)
    for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
        ax.scatter(*sides[side].T, s=4, color=color, lw=0, rasterized=True)
    ax.set_title(f"{row['model']}, {row['weights']}")
    ax.set_xlabel(
        f"gap {row['gap']:.3f} [{row['gap_low']:.3f}, {row['gap_high']:.3f}]\n"
        f"mean cosine {row['mean_cosine_a']:.2f} | {row['mean_cosine_b']:.2f}\n"
        f"recall@1 {row['recall1_ab']:.3f} | {row['recall1_ba']:.3f}\n"
        f"separable {row['separability']:.3f}   n {row['n']}",
        fontsize=9,
    )
    ax.set(xticks=[], yticks=[])


for block, names in enumerate(blocks):
    for line, (weights, panel) in enumerate((("trained", "(b)"), ("random", "(c)"))):
        for column in range(columns):
            ax = figure.add_subplot(grid[1 + 2 * block + line, column])
            model = names[column] if column < len(names) else None
            match = gaps.index[(gaps["model"] == model) & (gaps["weights"] == weights)]
            if len(match):
                draw_set(ax, match[0])
            else:
                ax.set_axis_off()
                if model:
                    note = f"{model}:\nno {weights} weights\nat hand"
                    ax.text(0.5, 0.5, note, ha="center", va="center", color=MUTED)
            if column == 0:
                letter(ax, panel)
handles = [
    plt.Line2D([], [], marker="o", ls="", color=IMAGE_COLOR, label="image (video, protein)"),
    plt.Line2D([], [], marker="o", ls="", color=TEXT_COLOR, label="text"),
    plt.Line2D([], [], color=FAINT, label="a pair"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=3)
save(figure, snakemake.output.svg, snakemake.output.pdf)
