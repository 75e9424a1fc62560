"""Draw recall@1 of every trained set against the distance of the centres."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import models_in_order
from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import Layout, label_line, plain, save
from modality_gap.paper.chance import retrieves

SIDES = {"ab": (PALETTE[0], "-", "to texts"), "ba": (PALETTE[1], "--", "from texts")}

curves = pd.read_csv(snakemake.input.curve)
peaks = pd.read_csv(snakemake.input.peak)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
models = models_in_order(gaps, snakemake.params.papers, retrieves(gaps))
# A set without a gap has no shifts; models at chance are left out beside others.
swept = models[models["trained"].isin({*curves["set"]})]
shown = swept[swept["learnt"]] if swept["learnt"].any() else swept


def draw_set(ax: Axes, name: str) -> None:
    curve = curves[curves["set"] == name].sort_values("distance")
    for number, (direction, (color, dashes, words)) in enumerate(SIDES.items()):
        column = f"recall1_{direction}"
        ends = curve[f"{column}_low"], curve[f"{column}_high"]
        ax.fill_between(curve["distance"], *ends, color=color, alpha=0.15, lw=0)
        ax.plot(curve["distance"], curve[column], color=color, ls=dashes)
        peak = peaks[(peaks["set"] == name) & (peaks["direction"] == direction)].iloc[0]
        if not peak["best_at_end"]:
            ax.plot(peak["best_distance"], peak["recall_best"], "v", ms=8, color=color)
        ax.text(0.04, 0.13 - 0.09 * number, words, color=color, fontsize="small",
                transform=ax.transAxes)  # fmt: skip
    own = gaps.loc[name, "gap"]
    ax.axvline(own, color=INK, ls=":", lw=1.2)
    label_line(ax, f"gap {own:.2f}", (own, 1), INK, xytext=(0, 2), ha="center", va="bottom",
               xycoords=ax.get_xaxis_transform())  # fmt: skip
    ax.set(ylim=(0, None), xlim=(-2, 2), xticks=range(-2, 3), xlabel="distance of the centres")


def draw(layout: Layout) -> Figure:
    columns, height = (1, 210) if layout.narrow else (3, 280)
    figure, axes = layout.grid(len(shown), columns, height)
    for place, (ax, row) in enumerate(zip(axes, shown.to_dict("records"), strict=True)):
        draw_set(ax, row["trained"])
        n = curves.loc[curves["set"] == row["trained"], "n"].iloc[0]
        ax.set_title(plain(f"{row['model']}, n {n:,}", 40), pad=20)
        if place % columns == 0:
            ax.set_ylabel("recall@1")
    return figure


save(draw, snakemake.output)
