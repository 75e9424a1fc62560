"""Draw Figure 3(b-d) and the other temperatures: the loss minus its minimum, against the distance
of the centres. There is one panel per model."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND, models_in_order
from modality_gap.figures.palette import GRID, INK, RAMP
from modality_gap.figures.style import Layout, above_minima, label_line, plain, save, spread
from modality_gap.pages.words import fraction
from modality_gap.paper.chance import retrieves

PANELS = {"1/100": " (b)", "1/50": " (c)", "1": " (d)"}  # the paper's, a temperature each
STYLES = ["-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (3, 3)), (0, (9, 2))]

landscape, minimum = above_minima(
    pd.read_csv(snakemake.input.landscape), pd.read_csv(snakemake.input.minimum)
)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
params = snakemake.params
models = models_in_order(gaps, params.papers, retrieves(gaps))
# A set without a gap has no shifts; a model at chance comes last, or is left out beside others.
swept = models[models["trained"].isin(set(landscape["set"]))]
shown = swept[swept["learnt"]] if swept["learnt"].any() else swept
TOP = 1.08 * landscape["above"][landscape["set"].isin(shown["trained"])].max()
BELOW = -0.075 * TOP if params.marked in {*shown["trained"]} else 0.0  # the paper's minima
temperatures = sorted(landscape["temperature"].unique())


def draw_model(ax: Axes, name: str, layout: Layout) -> None:
    ends = []
    for number, temperature in enumerate(temperatures):
        color = RAMP[number % len(RAMP)]
        curve = landscape[
            (landscape["set"] == name) & (landscape["temperature"] == temperature)
        ].sort_values("delta")
        style = STYLES[number % len(STYLES)]
        ax.plot(curve["distance"], curve["above"], color=color, ls=style, lw=1.8)
        low = minimum[(minimum["set"] == name) & (minimum["temperature"] == temperature)]
        for x, y in low[["distance", "above"]].to_numpy():  # none at the end of the sweep
            ax.plot(x, y, "v", ms=8, color=color, clip_on=False, zorder=4)
        ends.append((curve["distance"].iloc[0], curve["above"].iloc[0]))
    own = gaps.loc[name, "gap"]
    ax.axvline(own, color=INK, lw=1.2, ls=":")
    ax.text(own, 1.005, f"gap {own:.2f}", ha="center", va="bottom", fontsize="small",
            transform=ax.get_xaxis_transform())  # fmt: skip
    heights = spread([end[1] for end in ends], TOP / (12 if layout.narrow else 15))
    for number, (temperature, end, height) in enumerate(
        zip(temperatures, ends, heights, strict=True)
    ):
        words = fraction(temperature) + PANELS.get(fraction(temperature), "")
        label_line(ax, words, (max(end[0], 1.9), height), RAMP[number % len(RAMP)])
    draw_published(ax, name)
    ax.set(ylim=(1.6 * BELOW, TOP), xlim=(-2, 2), xticks=range(-2, 3))
    ax.grid(axis="y", color=GRID, lw=1)
    ax.set_axisbelow(True)


def draw_published(ax: Axes, name: str) -> None:
    """Draw the paper's values for CLIP: hump and second minimum at 1/100, minima at 1/50 and at
    1."""
    if name != params.marked:
        return
    read = params.published
    marks = [
        ("1/100", read[f"{at}_distance"], read[f"{at}_loss"] - read["least"])
        for at in ("hump", "back")
    ]
    marks += [(at, read[at], BELOW) for at in ("1/50", "1")]
    colors = {fraction(one): RAMP[at % len(RAMP)] for at, one in enumerate(temperatures)}
    for temperature, distance, height in marks:
        color = colors.get(temperature, INK)
        ax.plot(distance, height, color=color, clip_on=False, **DIAMOND)
    ax.text(0, 1.005, "◇ paper's values", va="bottom", fontsize="small", transform=ax.transAxes)


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(len(shown), 1 if layout.narrow else 3, 240 if layout.narrow else 330,
                               sharey=True)  # fmt: skip
    for ax, row in zip(axes, shown.to_dict("records"), strict=True):
        draw_model(ax, row["trained"], layout)
        ax.set_title(plain(row["model"], 34), pad=20)
        ax.set_xlabel("distance of the centres")
    axes[0].set_ylabel("loss above its minimum")
    return figure


save(draw, snakemake.output)
