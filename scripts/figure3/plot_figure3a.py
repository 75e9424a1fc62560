"""Draw Figure 3(a): the trained sets, along the gap and across it, and the path of the shift."""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from modality_gap.figures.models import models_in_order
from modality_gap.figures.pairs import COLORS, MOST_PAIRS, draw_dots, modalities_legend
from modality_gap.figures.palette import GROUND, INK
from modality_gap.figures.style import Layout, plain, save
from modality_gap.paper.chance import retrieves

points = pd.read_parquet(snakemake.input.points)
shifts = pd.read_csv(snakemake.input.shifts)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
models = models_in_order(gaps, snakemake.params.papers, retrieves(gaps))
# A set without a gap has no shifts; models at chance are left out beside others.
shifted = models[models["trained"].isin(set(shifts["set"]))]
shown = shifted[shifted["learnt"]] if shifted["learnt"].any() else shifted
PLANE = ["along_gap", "across_gap"]


def draw_set(ax: Axes, name: str) -> None:
    for side, color in COLORS.items():
        cloud = points.loc[(points["set"] == name) & (points["side"] == side), PLANE].to_numpy()
        draw_dots(ax, cloud[:: math.ceil(len(cloud) / MOST_PAIRS)], 3, color, alpha=0.8)
    for side, color in COLORS.items():
        path = shifts[(shifts["set"] == name) & (shifts["side"] == side)]
        ax.plot(path["along_gap"], path["across_gap"], color=INK, lw=1)
        start = path.loc[path["delta"].abs().idxmin()]
        # An arrow per side, from the centre half of the way to where the gap is closed.
        half = path.loc[(path["delta"] - gaps.loc[name, "gap"] / 2).abs().idxmin()]
        ax.annotate("", half[PLANE], start[PLANE],
                    arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6, "shrinkA": 5,
                                "shrinkB": 0, "mutation_scale": 13})  # fmt: skip
        ax.plot(start["along_gap"], start["across_gap"], "o", ms=10, mfc=color, mec=GROUND, mew=1.5)
    ax.autoscale_view()
    ax.set(aspect="equal", anchor="NW")


def draw(layout: Layout) -> Figure:
    height = 250 if layout.narrow else 300
    columns = 1 if layout.narrow else 3
    figure, axes = layout.grid(len(shown), columns, height)
    for ax, row in zip(axes, shown.to_dict("records"), strict=True):
        draw_set(ax, row["trained"])
        ax.set_title(plain(row["model"], 34))
        ax.set_xlabel(f"along the gap ({gaps.loc[row['trained'], 'n']:,} pairs)")
    # One scale for both axes of all panels.
    ends = np.array([[*ax.get_xlim(), *ax.get_ylim()] for ax in axes])
    limits = {"xlim": (ends[:, 0].min(), ends[:, 1].max()),
              "ylim": (ends[:, 2].min(), ends[:, 3].max())}  # fmt: skip
    for place, ax in enumerate(axes):
        ax.set(**limits, ylabel="" if place % columns else "across it")
        ax.xaxis.set_major_locator(MultipleLocator(0.25 if layout.narrow else 0.5))
        ax.yaxis.set_major_locator(MultipleLocator(0.25))
    modalities = snakemake.params.modalities
    modalities_legend(figure, (modalities[name] for name in shown["trained"]))
    return figure


save(draw, snakemake.output)
