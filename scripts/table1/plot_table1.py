"""Draw the curves behind Table 1: zero-shot accuracy or ROC-AUC against the gap's distance."""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import save_same, use_style

WORDS = {"accuracy": "zero-shot accuracy", "roc_auc": "ROC-AUC"}

use_style()
sweep = pd.read_csv(snakemake.input.sweep)
table = pd.read_csv(snakemake.input.table)
sets, tasks = table["set"].unique(), table["task"].unique()
columns = min(len(tasks), 4)
lines = math.ceil(len(tasks) / columns)  # of panels, for each set
figure, axes = plt.subplots(
    lines * len(sets),
    columns,
    figsize=(10, 3 * lines * len(sets)),
    squeeze=False,
    sharex="row",
)
for at, name in enumerate(sets):
    panels = axes[at * lines : (at + 1) * lines].flat
    for ax in panels[len(tasks) :]:
        ax.set_axis_off()
    for place, (ax, task) in enumerate(zip(panels, tasks, strict=False)):
        curve = sweep[(sweep["set"] == name) & (sweep["task"] == task)].sort_values("delta")
        row = table[(table["set"] == name) & (table["task"] == task)].iloc[0]
        ax.plot(curve["distance"], curve["score"], color=PALETTE[0], marker=".", ms=3)
        default, best = (curve[curve["delta"] == delta].iloc[0] for delta in (0, row["delta"]))
        ax.axvline(default["distance"], color=INK, ls=":", lw=1)
        ax.axhline(row["chance"], color=INK, ls="--", lw=0.8)
        ax.plot(best["distance"], best["score"], "v", ms=7, color=PALETTE[1])
        ax.set_title(f"{name}\n{task.replace('_', ' ')} (n {row['n']})")
        ax.set_ylim(0, 1.2 * max(curve["score"].max(), row["chance"]))
        if at == len(sets) - 1 and place + columns >= len(tasks):
            ax.set_xlabel("gap distance")
        if place % columns == 0 or row["metric"] != "accuracy":
            ax.set_ylabel(WORDS[row["metric"]])
handles = [
    plt.Line2D([], [], color=PALETTE[0], marker=".", label="at each shift"),
    plt.Line2D([], [], color=PALETTE[1], marker="v", ls="", label="best shift"),
    plt.Line2D([], [], color=INK, ls=":", label="gap of the model"),
    plt.Line2D([], [], color=INK, ls="--", label="chance"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=4)
save_same(figure, snakemake.output)
