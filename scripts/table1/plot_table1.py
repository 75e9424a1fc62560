"""Draw the curves behind Table 1: zero-shot accuracy or ROC-AUC against the distance of the
centres."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import INK, MUTED, PALETTE
from modality_gap.figures.style import BAR, Layout, label_line, plain, save
from modality_gap.paper.chance import classifies

WORDS = {"accuracy": "zero-shot accuracy", "roc_auc": "ROC-AUC"}

sweep = pd.read_csv(snakemake.input.sweep)
table = pd.read_csv(snakemake.input.table)
params = snakemake.params
rows = table.to_dict("records")
# A model at chance has no accuracy to gain or to lose.
shown = [row for row in rows if classifies(row)] or rows


def draw_task(ax: Axes, row: dict) -> None:
    curve = sweep[(sweep["set"] == row["set"]) & (sweep["task"] == row["task"])]
    curve = curve.sort_values("delta")
    ax.axhspan(row["default_low"], row["default_high"], color=PALETTE[0], alpha=0.15, lw=0)
    for edge in ("default_low", "default_high"):
        ax.axhline(row[edge], color=PALETTE[0], lw=0.7, alpha=BAR)
    ax.plot(curve["distance"], curve["score"], color=PALETTE[0])
    default, best = (curve[curve["delta"] == delta].iloc[0] for delta in (0, row["delta"]))
    ax.axvline(default["distance"], color=INK, ls=":", lw=1.2)
    ax.plot(default["distance"], default["score"], "o", ms=7, color=INK)
    plain_is_best = row["delta"] == 0
    if not plain_is_best:
        ax.plot(best["distance"], best["score"], "v", ms=8, color=PALETTE[1])
        left = best["distance"] <= default["distance"]  # away from the line of the gap
        label_line(ax, f"best shift {best['score']:.3f}", (best["distance"], best["score"]),
                   PALETTE[1], xytext=(5, 8) if left else (-5, 8), ha="right" if left else "left",
                   va="bottom")  # fmt: skip
    words = "no shift, the best," if plain_is_best else "no shift"
    # Below the band, and below the curve to the right.
    under = curve.loc[curve["distance"] >= default["distance"], "score"].min()
    place = default["distance"], min(row["default_low"], under)
    label_line(ax, f"{words} {default['score']:.3f}", place,
               INK, xytext=(5, -4), va="top")  # fmt: skip
    ax.axhline(row["chance"], color=MUTED, ls="--", lw=1)
    chance = curve["distance"].min(), row["chance"]
    label_line(ax, f"chance {row['chance']:.3f}", chance, MUTED, xytext=(0, 3), va="bottom")
    for state, at in (("default", default), ("modified", best)):
        paper = params.published.get(f"{state} {row['task']}")
        if paper is not None:
            ax.plot(at["distance"], paper, color=MUTED, **DIAMOND)
    low = row["chance"] - 0.05 * (row["default_high"] - row["chance"])
    ax.set(ylim=(min(low, curve["score"].min()), None), xlabel="distance of the centres",
           ylabel=WORDS[row["metric"]])  # fmt: skip
    ax.set_title(f"{plain(row['task'].replace('_', ' '))}, n {row['n']}")


def draw(layout: Layout) -> Figure:
    columns = 1 if layout.narrow else 2
    figure, axes = layout.grid(len(shown), columns, 220 if layout.narrow else 280)
    for ax, row in zip(axes, shown, strict=True):
        draw_task(ax, row)
        name = plain(params.names.get(row["set"], row["set"]))
        ax.set_title(f"{name}\n{ax.get_title(loc='left')}")
    return figure


save(draw, snakemake.output)
