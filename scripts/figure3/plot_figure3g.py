"""Draw Figure 3(g) and Supplementary 9: the loss of six pairs on the sphere, mismatched and
matched.

There is one panel per temperature. Figure 3(e), the sphere, is beside them.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.schematics import draw_sphere
from modality_gap.figures.style import Layout, label_line, save
from modality_gap.pages.words import fraction

ROOM, STEEP = 30, 0.5  # degrees and loss beside a minimum that a label needs
# Where the paper has these spacings, in degrees.
SOURCES = {20: ", as in the paper's Figure 3(g)", 15: ", as in the paper's Appendix A"}
CURVES = {True: ("two pairs exchanged", PALETTE[1], "-"), False: ("all matched", PALETTE[0], "--")}

table = pd.read_csv(snakemake.input[0])
spacings = list(table["spacing_deg"].unique())
temperatures = sorted(table["temperature"].unique(), reverse=True)


def draw_curves(ax: Axes, part: pd.DataFrame, named: bool) -> None:
    for mismatched, (words, color, line) in CURVES.items():
        curve = part[part["mismatched"] == mismatched].sort_values("delta_theta_deg")
        ax.plot(curve["delta_theta_deg"], curve["loss"], color=color, ls=line)
        lowest = curve[curve["loss"] <= curve["loss"].min() + 1e-9]
        ax.plot(lowest["delta_theta_deg"], lowest["loss"], "v", color=color, ms=7)
        # Where the curve rises steeply from its minimum there is no room above it.
        near = curve["delta_theta_deg"].abs() < lowest["delta_theta_deg"].abs().min() - ROOM
        steep = (curve["loss"][near] > curve["loss"].min() + STEEP).all() if near.any() else False
        above = mismatched and not steep
        for angle, loss in lowest[["delta_theta_deg", "loss"]].to_numpy():
            label_line(ax, f"{angle:.0f}°".replace("-", "−"), (angle, loss), color, ha="center",
                       xytext=(-(0.2 if above else 0.25) * angle, 7 if above else -8),
                       va="bottom" if above else "top")  # fmt: skip
        if named:
            ax.text(0.03, 0.3 if mismatched else 0.16, words, color=color, va="top",
                    fontsize="small", transform=ax.transAxes)  # fmt: skip
    ax.set(xticks=range(-90, 91, 90 if len(temperatures) > 3 else 45))


def draw(layout: Layout) -> Figure:
    columns = 2 if layout.narrow else len(temperatures)
    rows = math.ceil(len(temperatures) / columns)
    each, sphere = (130 if layout.narrow else 175), 260
    height = rows * each + 30
    heights = [sphere, *[height] * len(spacings)]
    figure = layout.figure(sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    draw_sphere(parts[0].add_subplot(projection="3d"))
    parts[0].text(0.01, 0.97, "(e)", va="top", weight="bold")
    top = 1.08 * table["loss"].max()
    for part, spacing in zip(parts[1:], spacings, strict=True):
        axes = part.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax in axes[len(temperatures) :]:
            ax.set_axis_off()
        for number, temperature in enumerate(temperatures):
            ax = axes[number]
            here = (table["spacing_deg"] == spacing) & (table["temperature"] == temperature)
            draw_curves(ax, table[here], named=number == 0)
            ax.set_title(f"temperature {fraction(temperature)}", weight="normal", fontsize="small")
            ax.set_ylim(-0.3 * top, top)
            ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
        words = f"(g) points {spacing}° apart{SOURCES.get(spacing, '')}"
        part.suptitle(words, x=0.01, ha="left", weight="bold", fontsize="medium")
        part.supxlabel("Δθ between images and texts (degrees)", fontsize="small")
        part.supylabel("symmetric loss", fontsize="small")
    return figure


save(draw, snakemake.output)
