"""Draw the loss that sets were trained with against the gap's distance, beside the softmax loss."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import save_same, use_style

label, parameters = snakemake.params.label, snakemake.params.parameters
use_style()
landscape = pd.read_csv(snakemake.input.landscape)
softmax = pd.read_csv(snakemake.input.softmax)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
names = list(dict.fromkeys(landscape["set"]))
columns = max(landscape.groupby("set")["temperature"].nunique(), default=1)
figure, axes = plt.subplots(
    max(1, len(names)), columns, figsize=(10, 2.4 * len(names) + 0.9), squeeze=False, sharex="row"
)
for line, name in zip(axes, names, strict=False):
    for ax, (temperature, curve) in zip(
        line, landscape[landscape["set"] == name].groupby("temperature", sort=False), strict=False
    ):
        other = softmax[(softmax["set"] == name) & (softmax["temperature"] == temperature)]
        beside = ax.twinx()
        for axis, part, color, mark in (
            (ax, curve, PALETTE[2], "v"),
            (beside, other, PALETTE[0], "^"),
        ):
            axis.plot(part["distance"], part["loss"], color=color, lw=1.4)
            lowest = part[part["loss"] == part["loss"].min()]
            axis.plot(lowest["distance"], lowest["loss"], mark, ms=6, color=color)
            axis.tick_params(axis="y", colors=color, labelsize=7)
        beside.spines["right"].set_visible(bool(len(other)))
        if not len(other):
            beside.set_yticks([])
        ax.axvline(gaps.loc[name, "gap"], color=INK, ls=":", lw=1)
        own = " (own)" if curve["own"].iloc[0] else ""
        ax.set_title(f"scale {1 / temperature:.4g}{own}", fontsize=9)
        ax.tick_params(axis="x", labelsize=8)
        ax.set_xlabel("gap distance", fontsize=8)
    first = landscape[landscape["set"] == name].iloc[0]
    numbers = [f"{parameter} {first[parameter]:.4g}" for parameter in parameters]
    line[0].set_ylabel("\n".join([name, *numbers, "loss"]), fontsize=9)
handles = [
    plt.Line2D([], [], color=PALETTE[2], marker="v", label=f"{label} (left scale)"),
    plt.Line2D([], [], color=PALETTE[0], marker="^", label="softmax loss (right scale)"),
    plt.Line2D([], [], color=INK, ls=":", label="gap of the model"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=3)
save_same(figure, snakemake.output)
