"""Draw where the loss is smallest at each temperature, for every model that retrieves well above
chance."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND, models_in_order
from modality_gap.figures.palette import GRID, INK, RAMP
from modality_gap.figures.style import BAR, Layout, label_line, plain, save
from modality_gap.pages.words import fraction
from modality_gap.paper.chance import retrieves

gaps = pd.read_csv(snakemake.input.gap, index_col="set")
minimum = pd.read_csv(snakemake.input.minimum)
params = snakemake.params
models = models_in_order(gaps, params.papers, retrieves(gaps))
swept = models[models["trained"].isin({*minimum["set"]})]
shown = swept[swept["learnt"]] if swept["learnt"].any() else swept
temperatures = sorted(minimum["temperature"].unique())
inside = minimum[minimum["set"].isin(shown["trained"]) & ~minimum["at_end"]]
# The approximate range of the axis, with the names of the models beside it.
SPAN = 1.6 * (max(inside["distance_high"].max(), gaps["gap"].max()) - inside["distance_low"].min())


ROW = 1.25  # height of a model's row; its marks and its gap's line take 1


def draw_model(ax: Axes, name: str, base: float, layout: Layout) -> None:
    own, letter = gaps.loc[name, "gap"], 0.62 * 0.833 * layout.font  # pixels
    for number, temperature in enumerate(temperatures):
        color, place = RAMP[number % len(RAMP)], base + 0.84 * (1 - number / len(temperatures))
        part = minimum[(minimum["set"] == name) & (minimum["temperature"] == temperature)]
        for _, row in part[~part["at_end"]].iterrows():
            ax.plot([row["distance_low"], row["distance_high"]], [place] * 2, color=color, lw=3,
                    alpha=BAR, solid_capstyle="butt")  # fmt: skip
            ax.plot(row["distance"], place, "o", ms=6, color=color)
            words = fraction(temperature)
            ends = row[["distance", "distance_low", "distance_high"]]
            if name == params.marked and words in params.published:
                paper = params.published[words]
                ax.plot(paper, place, color=color, **DIAMOND | {"ms": 6})
                ends["paper"] = paper
            # A label that the line of the gap would cross is on the other side of its mark.
            room = (12 + letter * len(words)) / layout.width * SPAN
            left = ends.max() - 0.01 < own < ends.max() + room
            look = {"xytext": (-8, 0), "ha": "right"} if left else {"xytext": (8, 0)}
            label_line(ax, words, (ends.min() if left else ends.max(), place), color, **look)
    ax.plot([own] * 2, [base + 0.05, base + 1], color=INK, lw=1.6)
    label_line(ax, f"gap {own:.2f}", (own, base + 1), INK, xytext=(0, 1), ha="center", va="bottom")


def draw(layout: Layout) -> Figure:
    figure = layout.figure(40 + 125 * len(shown))
    ax = figure.add_subplot()
    places = ROW * np.arange(len(shown))[::-1]
    for base, name in zip(places, shown["trained"], strict=True):
        draw_model(ax, name, base, layout)
    width = 12 if layout.narrow else 24
    ax.set_yticks(places + 0.5, [plain(name, width) for name in shown["model"]])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.axvline(0, color=GRID, lw=1.5, zorder=0)
    ax.set(xlabel="distance of the centres at which the loss is smallest", ylim=(-0.05, None))
    return figure


save(draw, snakemake.output)
