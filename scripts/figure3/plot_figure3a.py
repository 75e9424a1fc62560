"""Draw Figure 3(a): PCA of the trained sets and the path of the shift."""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import IMAGE_COLOR, INK, TEXT_COLOR
from modality_gap.figures.style import letter, save_same, use_style

COLUMNS = 3

use_style()
points = pd.read_parquet(snakemake.input.points)
shifts = pd.read_csv(snakemake.input.shifts)
# A set without a gap has no shifts.
names = list(shifts["set"].unique())
rows = max(1, math.ceil(len(names) / COLUMNS))
columns = max(1, min(COLUMNS, len(names)))
figure, axes = plt.subplots(rows, columns, figsize=(10, 4.2 * rows), squeeze=False)
for ax in axes.flat[len(names) :]:
    ax.set_axis_off()
for ax, name in zip(axes.flat, names, strict=False):
    for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
        cloud = points[(points["set"] == name) & (points["side"] == side)]
        ax.scatter(cloud["pc_1"], cloud["pc_2"], s=5, color=color, lw=0, alpha=0.5, rasterized=True)
        path = shifts[(shifts["set"] == name) & (shifts["side"] == side)]
        ax.plot(path["pc_1"], path["pc_2"], color=INK, lw=1)
        ax.annotate(
            "",
            path[["pc_1", "pc_2"]].iloc[-1],
            path[["pc_1", "pc_2"]].iloc[-2],
            arrowprops={"arrowstyle": "->", "color": INK},
        )
        start = path.loc[path["delta"].abs().idxmin()]
        ax.plot(start["pc_1"], start["pc_2"], "o", ms=9, mfc=color, mec="white", mew=1.5)
    numbers = shifts[shifts["set"] == name].iloc[0]
    ax.set(
        title=f"{name} (n {numbers['n']} pairs)",
        xlabel=f"PC 1 ({numbers['share_1']:.1%} of variance)",
        ylabel=f"PC 2 ({numbers['share_2']:.1%})",
    )
handles = [
    plt.Line2D([], [], marker="o", ls="", color=IMAGE_COLOR, label="image (first modality)"),
    plt.Line2D([], [], marker="o", ls="", color=TEXT_COLOR, label="text"),
    plt.Line2D([], [], color=INK, label="path of the centres: delta from -1/2 to 3/2 of the gap"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=3)
letter(axes[0, 0], "(a)")
save_same(figure, snakemake.output)
