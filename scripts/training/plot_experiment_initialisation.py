"""Draw section 4.4: the gap by training step, from the original and from the rotated start."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import Layout, draw_band, label_line, save

steps, summary, difference = (
    pd.read_csv(snakemake.input[name]) for name in ("steps", "summary", "difference")
)
published = snakemake.params.published
mode = summary["temperature_mode"].iloc[0]  # the paper's: fixed
ratio = difference[difference["temperature_mode"] == mode].iloc[0]
last = steps["step"].max()


def draw_start(ax: Axes, start: str, color: str, line: str) -> None:
    chosen = steps[(steps["temperature_mode"] == mode) & (steps["start"] == start)]
    band = chosen.groupby("step")["gap"].agg(["min", "max", "mean"])
    draw_band(ax, band.index, band["min"], band["max"], color)
    ax.plot(band.index, band["mean"], color=color, ls=line)
    row = summary[(summary["temperature_mode"] == mode) & (summary["start"] == start)].iloc[0]
    for at, when in ((0, "before"), (last, "after")):
        column = f"gap_{when}"
        value = row[column]
        ends = [[value - row[f"{column}_low"]], [row[f"{column}_high"] - value]]
        ax.errorbar(at, value, ends, fmt="o", ms=7, color=color, capsize=4)
        paper = published[f"{start} {when}"]
        place = at + (-0.03 if when == "before" else 0.03) * last
        ax.plot(place, paper, color=color, **DIAMOND)
        label_line(ax, f"paper {paper:.2f}", (place, paper), color,
                   xytext=(-9 if when == "before" else 9, 0),
                   ha="right" if when == "before" else "left")  # fmt: skip
    words = f"{start} start, {row['gap_after']:.2f}"
    if start == "rotated":
        share = ratio["gap_after_rotated_over_original"]
        words += f"\n{share:.0%} of the other (paper {published['share']:.0%})"
    below = start == "rotated"
    later = band[band.index >= 0.5 * last]  # above or below the whole curve there
    edge = later["min"].min() if below else later["max"].max()
    label_line(ax, words, (0.7 * last, edge), color, xytext=(0, -5 if below else 5),
               ha="center", va="top" if below else "bottom")  # fmt: skip


def draw(layout: Layout) -> Figure:
    figure = layout.figure(280 if layout.narrow else 360)
    ax = figure.add_subplot()
    for start, color, line in zip(summary["start"].unique(), PALETTE, ("-", "--"), strict=False):
        draw_start(ax, start, color, line)
    ax.set(xlabel="training step", ylabel="gap, held-out pairs", ylim=(0, None))
    ax.set_xlim((-0.42 if layout.narrow else -0.15) * last, None)
    ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= last])
    ax.set_title(f"Gap by step, temperature {mode}")
    return figure


save(draw, snakemake.output)
