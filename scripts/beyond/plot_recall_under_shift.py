"""Draw recall@1 of every trained set against the distance of the centres."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import models_in_order
from modality_gap.figures.palette import INK, PALETTE
from modality_gap.figures.style import Layout, draw_band, label_line, plain, save
from modality_gap.paper.chance import retrieves

SIDES = {"ab": (PALETTE[0], "-"), "ba": (PALETTE[1], "--")}

curves = pd.read_csv(snakemake.input.curve)
peaks = pd.read_csv(snakemake.input.peak)
params = snakemake.params
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
models = models_in_order(gaps, params.papers, retrieves(gaps))
# A set without a gap has no shifts; models near chance come last, and say so.
swept = models[models["trained"].isin({*curves["set"]})]
shown = swept.sort_values("learnt", ascending=False, kind="stable")


def draw_set(ax: Axes, name: str, learnt: bool) -> None:
    curve = curves[curves["set"] == name].sort_values("distance")
    first, second = params.modalities[name]
    # In the left half, where no line marks the gap, the words are above or below all bands.
    left = curve[curve["distance"] < 0]
    low, high = (left[[f"recall1_{one}_{end}" for one in SIDES]] for end in ("low", "high"))
    top = 0.97 if 1 - high.max(axis=None) > low.min(axis=None) else 0.15
    for number, (direction, (color, dashes)) in enumerate(SIDES.items()):
        peak = peaks[(peaks["set"] == name) & (peaks["direction"] == direction)].iloc[0]
        words = f"{first} → {second}" if direction == "ab" else f"{second} → {first}"
        words += f", n {peak['n']:,}"
        column = f"recall1_{direction}"
        ends = curve[f"{column}_low"], curve[f"{column}_high"]
        draw_band(ax, curve["distance"], *ends, color)
        ax.plot(curve["distance"], curve[column], color=color, ls=dashes)
        if learnt and not peak["best_at_end"]:  # near chance the highest is noise
            ax.plot(peak["best_distance"], peak["recall_best"], "v", ms=8, color=color)
        ax.text(0.04, top - 0.08 * number, words, color=color, va="top", fontsize="small",
                transform=ax.transAxes)  # fmt: skip
    own = gaps.loc[name, "gap"]
    ax.axvline(own, color=INK, ls=":", lw=1.2)
    label_line(ax, f"gap {own:.2f}", (own, 1), INK, xytext=(0, 2), ha="center", va="bottom",
               xycoords=ax.get_xaxis_transform())  # fmt: skip
    ax.set(ylim=(0, 1.03), xlim=(-2, 2), xticks=range(-2, 3), xlabel="distance of the centres")


def draw(layout: Layout) -> Figure:
    columns, height = (1, 210) if layout.narrow else (3, 280)
    figure, axes = layout.grid(len(shown), columns, height, sharey=True)
    for place, (ax, row) in enumerate(zip(axes, shown.to_dict("records"), strict=True)):
        draw_set(ax, row["trained"], row["learnt"])
        near = "" if row["learnt"] else " (near chance)"
        ax.set_title(plain(f"{row['model']}{near}", 34), pad=20)
        if place % columns == 0:
            ax.set_ylabel("recall@1")
    return figure


save(draw, snakemake.output)
