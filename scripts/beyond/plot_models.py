"""Draw where the loss of every model that learnt to match is smallest, at each temperature."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import models_in_order
from modality_gap.figures.palette import GRID, INK, RAMP
from modality_gap.figures.style import Layout, fraction, label_line, plain, save
from modality_gap.paper.chance import retrieves

gaps = pd.read_csv(snakemake.input.gap, index_col="set")
minimum = pd.read_csv(snakemake.input.minimum)
models = models_in_order(gaps, snakemake.params.papers, retrieves(gaps))
swept = models[models["trained"].isin({*minimum["set"]})]
shown = swept[swept["learnt"]] if swept["learnt"].any() else swept
temperatures = sorted(minimum["temperature"].unique())


def draw_model(ax: Axes, name: str, base: float) -> None:
    for number, temperature in enumerate(temperatures):
        color, place = RAMP[number % len(RAMP)], base + 0.84 * (1 - number / len(temperatures))
        part = minimum[(minimum["set"] == name) & (minimum["temperature"] == temperature)]
        for _, row in part[~part["at_end"]].iterrows():
            ax.plot([row["distance_low"], row["distance_high"]], [place] * 2, color=color, lw=3,
                    alpha=0.4, solid_capstyle="butt")  # fmt: skip
            ax.plot(row["distance"], place, "o", ms=6, color=color)
            end = row[["distance", "distance_high"]].max()
            label_line(ax, fraction(temperature), (end, place), color)
    own = gaps.loc[name, "gap"]
    ax.plot([own] * 2, [base + 0.05, base + 0.93], color=INK, lw=1.6)
    label_line(
        ax, f"gap {own:.2f}", (own, base + 0.93), INK, xytext=(0, 1), ha="center", va="bottom"
    )


def draw(layout: Layout) -> Figure:
    figure = layout.figure(40 + (115 if layout.narrow else 120) * len(shown))
    ax = figure.add_subplot()
    places = 1.12 * np.arange(len(shown))[::-1]
    for base, name in zip(places, shown["trained"], strict=True):
        draw_model(ax, name, base)
    width = 12 if layout.narrow else 24
    ax.set_yticks(places + 0.5, [plain(name, width) for name in shown["model"]])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.axvline(0, color=GRID, lw=1.5)
    ax.set(xlabel="distance of the centres at which the loss is smallest", ylim=(-0.05, None))
    return figure


save(draw, snakemake.output)
