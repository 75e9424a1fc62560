"""Draw recall@1 of every trained set against the distance of the centres."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from modality_gap.figures.palette import IMAGE_COLOR, INK, TEXT_COLOR
from modality_gap.figures.style import Layout, plain, save

SIDES = {"ab": (IMAGE_COLOR, "-", "to texts"), "ba": (TEXT_COLOR, "--", "from texts")}

curves = pd.read_csv(snakemake.input.curve)
peaks = pd.read_csv(snakemake.input.peak)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
# A set without a gap has no shifts.
names = [name for name in gaps.index[gaps["weights"] == "trained"] if name in {*curves["set"]}]


def draw(layout: Layout) -> Figure:
    columns = 2 if layout.narrow else 3
    figure, axes = layout.grid(len(names), columns, 190 if layout.narrow else 230, sharex=True)
    for place, (ax, name) in enumerate(zip(axes, names, strict=True)):
        curve = curves[curves["set"] == name].sort_values("delta")
        for direction, (color, dashes, _) in SIDES.items():
            column = f"recall1_{direction}"
            ends = curve[f"{column}_low"], curve[f"{column}_high"]
            ax.fill_between(curve["distance"], *ends, color=color, alpha=0.15, lw=0)
            ax.plot(curve["distance"], curve[column], color=color, ls=dashes)
            peak = peaks[(peaks["set"] == name) & (peaks["direction"] == direction)].iloc[0]
            if not peak["best_at_end"]:
                ax.plot(peak["best_distance"], peak["recall_best"], "v", ms=7, color=color)
        ax.axvline(gaps.loc[name, "gap"], color=INK, ls=":", lw=1)
        ax.set_title(f"{plain(gaps.loc[name, 'model'])}\nn {curve['n'].iloc[0]:,}")
        ax.set_ylim(0, None)
        if place + columns >= len(names):
            ax.set_xlabel("distance of the centres")
            ax.tick_params(labelbottom=True)
        if place % columns == 0:
            ax.set_ylabel("recall@1")
    handles = [
        *(
            plt.Line2D([], [], color=color, ls=dashes, label=words)
            for color, dashes, words in SIDES.values()
        ),
        plt.Line2D([], [], color=INK, marker="v", ls="", label="highest"),
        plt.Line2D([], [], color=INK, ls=":", label="gap of the model"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if layout.narrow else 4)
    return figure


save(draw, snakemake.output)
