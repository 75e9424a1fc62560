"""Draw the recall or accuracy of several models against the distance of their centres."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.palette import GRID, GROUND, INK, PALETTE
from modality_gap.figures.style import Layout, draw_band, label_line, plain, save, spread
from modality_gap.paper.closing import ACCURACY, COLUMN, closings

BEYOND = 1.15  # how far beyond the widest gap the curves are drawn

curves = pd.read_csv(snakemake.input.curve)
gaps = pd.read_csv(snakemake.input.gap, index_col="set")
shown = closings(gaps, pd.read_csv(snakemake.input.peak), snakemake.params.published)


def curve_of(name: str, widest: float) -> pd.DataFrame:
    """The part of a set's curve from a closed gap to beyond the widest gap. At their nearest, the
    centres pass beside each other, and the side of 0 on which they are does not matter."""
    curve, closed = curves[curves["set"] == name], shown.loc[name, "closed_distance"]
    nearest = curve["distance"] == closed
    part = curve[nearest | curve["distance"].between(abs(closed), widest)]
    return part.assign(distance=part["distance"].abs()).sort_values("distance")


def draw_model(ax: Axes, row: pd.Series, curve: pd.DataFrame, color: str) -> None:
    dashes = "-" if row["score"] == ACCURACY else "--"
    ends = curve[f"{COLUMN}_low"], curve[f"{COLUMN}_high"]
    draw_band(ax, curve["distance"], *ends, color)
    ax.plot(curve["distance"], curve[COLUMN], color=color, ls=dashes)
    ax.plot(row["gap"], row["recall_at_gap"], "o", ms=8, color=color)
    ax.plot(abs(row["closed_distance"]), row["recall_closed"], "o", ms=8, mew=1.6, mfc=GROUND,
            color=color)  # fmt: skip
    low, high = row["recall_at_gap_low"], row["recall_at_gap_high"]
    ax.vlines(row["gap"], low, high, color=color, lw=1.4)


def draw(layout: Layout) -> Figure:
    if shown.empty:
        figure = layout.figure(60)
        figure.text(0.02, 0.5, "No published model takes part in this run.", color=INK)
        return figure
    figure, (ax,) = layout.grid(1, 1, 380 if layout.narrow else 400)
    widest = BEYOND * shown["gap"].max()
    parts = [curve_of(str(name), widest) for name in shown.index]
    places = spread([part[COLUMN].iloc[-1] for part in parts], 0.15 if layout.narrow else 0.11)
    for number, ((_, row), part, place) in enumerate(
        zip(shown.iterrows(), parts, places, strict=True)
    ):
        color = PALETTE[number % len(PALETTE)]
        draw_model(ax, row, part, color)
        words = plain(f"{row['model']}, {row['score']}", 17 if layout.narrow else 26)
        label_line(ax, words, (widest, place), color)
    # A margin for the labels, which begin where the curves end.
    ax.set(xlim=(-0.05, widest * (1.75 if layout.narrow else 1.3)), ylim=(0, 1.05),
           xlabel="distance of the centres", ylabel="share of queries answered right",
           title="○ gap closed   ● the model's own gap")  # fmt: skip
    ax.axvline(0, color=GRID, lw=1.5, zorder=0)
    ax.set_xticks([tick / 4 for tick in range(int(4 * widest) + 1)])
    ax.spines["bottom"].set_bounds(0, widest)
    return figure


save(draw, snakemake.output)
