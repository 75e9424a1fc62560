"""Draw where the gap and other measures of two modalities disagree, for all sets."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import IMAGE_COLOR, INK, MUTED, PALETTE, TEXT_COLOR
from modality_gap.figures.style import letter, save_same, use_style
from modality_gap.measures.registry import label

SIDES = {"a": (IMAGE_COLOR, "o"), "b": (TEXT_COLOR, "s")}
LEFT, RIGHT = 0, 1  # of the ranks

use_style()
table = pd.read_csv(snakemake.input[0])
models = list(dict.fromkeys(table["model"]))
colors = {model: PALETTE[number % len(PALETTE)] for number, model in enumerate(models)}
rows = np.arange(len(table))[::-1]
heights = [3.6 if len(table) < 8 else 4.6, 1.2 + 0.32 * len(table)]
figure, axes = plt.subplots(2, 2, figsize=(10, sum(heights) + 0.6), height_ratios=heights)


def face(row: pd.Series) -> str:
    """Filled where the weights are trained, open where they are random."""
    return colors[row["model"]] if row["weights"] == "trained" else "white"


def whiskers(row: pd.Series, name: str) -> np.ndarray:
    """Lengths of the interval below and above the estimate."""
    ends = row[[name, f"{name}_low", f"{name}_high"]].astype(float)
    return np.maximum([[ends.iloc[0] - ends.iloc[1]], [ends.iloc[2] - ends.iloc[0]]], 0)


scatter, slope, uniformity, dimension = axes.flat
for _, row in table.iterrows():
    color = colors[row["model"]]
    scatter.errorbar(
        row["gap"],
        row["rmg"],
        yerr=whiskers(row, "rmg"),
        fmt="o",
        ms=7,
        color=color,
        mfc=face(row),
        elinewidth=1.2,
        label=row["set"],
    )
    ranks = row[["gap_rank", "rmg_rank"]].astype(int)
    agree = ranks.iloc[0] == ranks.iloc[1]
    slope.plot(
        [LEFT, RIGHT],
        ranks,
        marker="o",
        ms=7,
        color=color,
        mfc=face(row),
        lw=1 if agree else 2.4,
        alpha=0.6 if agree else 1,
    )
# Sets of equal rank share a line of text.
for place, side, rank in ((LEFT, "right", "gap_rank"), (RIGHT, "left", "rmg_rank")):
    for position, names in table.groupby(rank)["set"]:
        shift = -0.05 if place == LEFT else 0.05
        text = (
            f"{position}  {', '.join(names)}"
            if place == RIGHT
            else f"{', '.join(names)}  {position}"
        )
        slope.text(place + shift, position, text, ha=side, va="center", fontsize=9)
scatter.set(xlabel=label("gap"), ylabel=label("rmg"), title="Two measures of one gap")
scatter.legend(
    loc="upper left",
    fontsize=8,
    handletextpad=0.2,
    ncols=1 if len(table) < 8 else 2,
)
slope.set(xlim=(-0.9, 1.9), ylim=(len(table) + 0.6, 0.4), xticks=[LEFT, RIGHT], yticks=[])
slope.set_xticklabels([f"rank by {label(name)}" for name in ("gap", "rmg")])
slope.set_title("Rank among the sets: 1 is the widest")
slope.spines[["left", "bottom"]].set_visible(False)
slope.tick_params(length=0)

for number, (side, (color, marker)) in enumerate(SIDES.items()):
    offset = 0.13 - 0.26 * number
    name = f"uniformity_{side}"
    uniformity.errorbar(
        table[name],
        rows + offset,
        xerr=np.hstack([whiskers(row, name) for _, row in table.iterrows()]),
        fmt=marker,
        ms=5,
        color=color,
        elinewidth=1.2,
    )
    dimension.plot(
        table[f"effective_dimension_{side}"], rows + offset, ls="", marker=marker, ms=5, color=color
    )
both = table["effective_dimension_both"]
dimension.plot(both, rows, ls="", marker="D", ms=4, mfc="white", color=INK)
dimension.plot(table["dim"], rows, ls="", marker="|", ms=11, color=MUTED)
for ax in (uniformity, dimension):
    ax.set(yticks=rows, ylim=(-0.6, len(table) - 0.4))
    ax.grid(axis="y", lw=0.4, color="#DDDDDD")
    ax.set_axisbelow(True)
uniformity.set_yticklabels(table["set"])
dimension.set_yticklabels([f"n {n}" for n in table["n"]])
uniformity.set(xlabel="uniformity (0: one point; lower: more spread)", title="Uniformity")
dimension.set(xlabel="principal components", title="Effective dimension (99 % of variance)")
dimension.set_xlim(0, None)
handles = [
    plt.Line2D([], [], marker="o", ls="", color=MUTED, label="trained"),
    plt.Line2D([], [], marker="o", ls="", color=MUTED, mfc="white", label="random weights"),
    plt.Line2D([], [], marker="o", ls="", color=IMAGE_COLOR, label="image (first modality)"),
    plt.Line2D([], [], marker="s", ls="", color=TEXT_COLOR, label="text"),
    plt.Line2D([], [], marker="D", ls="", color=INK, mfc="white", ms=4, label="both together"),
    plt.Line2D([], [], marker="|", ls="", color=MUTED, ms=11, label="dimensions of the space"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=6, columnspacing=1)
for ax, name in zip(axes.flat, ("(a)", "(b)", "(c)", "(d)"), strict=True):
    letter(ax, name)
save_same(figure, snakemake.output)
