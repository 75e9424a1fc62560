"""Draw the rank of every set by the gap, beside its rank by the relative modality gap."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.palette import FAINT, GROUND, INK, PALETTE
from modality_gap.figures.style import Layout, label_line, save
from modality_gap.measures.registry import label

RANKS = ["gap_rank", "rmg_rank"]

table = pd.read_csv(snakemake.input[0])


def draw(layout: Layout) -> Figure:
    figure = layout.figure(70 + 26 * len(table))
    ax = figure.add_subplot()
    for ends, rows in table.groupby(RANKS):
        moved = ends[0] != ends[1]
        color = PALETTE[1] if moved else INK
        for _, row in rows.iterrows():
            filled = row["weights"] == "trained"
            ax.plot([0, 1], ends, "-o", ms=8, color=color, lw=2.2 if moved else 1.2,
                    mfc=color if filled else GROUND)  # fmt: skip
    for side, (rank, measure) in enumerate(zip(RANKS, ("gap", "rmg"), strict=True)):
        for place, rows in table.groupby(rank):  # sets of equal rank share a line of text
            names = [
                f"{row['model']}, {'' if row['weights'] == 'trained' else 'un'}trained"
                for _, row in rows.iterrows()
            ]
            value = f"{rows[measure].iloc[0]:.2f}"
            words = f"{place}  ({value})" if side else f"{'; '.join(names)} ({value})  {place}"
            label_line(ax, words, (side, place), INK, xytext=(10, 0) if side else (-10, 0),
                       ha="left" if side else "right")  # fmt: skip
    ax.set(xlim=(-0.1, 1.1), ylim=(len(table) + 0.6, 0.4), yticks=[])
    ax.set_xticks([0, 1], [f"rank by {label(name)}" for name in ("gap", "rmg")])
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.axvline(0, color=FAINT, lw=0.6, zorder=0)
    ax.axvline(1, color=FAINT, lw=0.6, zorder=0)
    return figure


save(draw, snakemake.output)
