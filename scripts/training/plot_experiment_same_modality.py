"""Draw the control in which both towers get the same modality: gap and loss by step, and
separability after training."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.palette import MODALITY_COLORS
from modality_gap.figures.style import Layout, decimals, draw_band, label_line, save, spread

PANELS = {"gap": "gap, held-out items", "loss": "training loss, full pass"}
TITLES = {"gap": "Gap", "loss": "Loss"}
LINES = {"image": "-", "text": "--"}

steps, runs, summary = (pd.read_csv(snakemake.input[name]) for name in ("steps", "runs", "summary"))


def draw_panel(ax: Axes, name: str) -> None:
    for row in summary.to_dict("records"):
        modality = row["modality"]
        color = MODALITY_COLORS[modality]
        chosen = steps[steps["modality"] == modality]
        band = chosen.groupby("step")[name].agg(["min", "max", "mean"])
        draw_band(ax, band.index, band["min"], band["max"], color)
        ax.plot(band.index, band["mean"], color=color, ls=LINES[modality])
        if name == "gap":
            recall = sorted({f"{row[f'recall1_{way}_after']:.2f}" for way in ("ab", "ba")})
            words = (f"{modality}s twice: separable {row['separability_after']:.2f},\n"
                     f"recall@1 {' and '.join(recall)}")  # fmt: skip
            middle = band.iloc[len(band) // 3]
            up = modality == summary.loc[summary["gap_after"].idxmax(), "modality"]
            label_line(ax, words, (middle.name, middle["max" if up else "min"]), color,
                       xytext=(0, 8 if up else -8), va="bottom" if up else "top")  # fmt: skip
    ax.set(xlabel="training step", ylabel=PANELS[name], title=TITLES[name])
    if name == "gap":
        ax.set_ylim(0, 1.25 * steps["gap"].max())
    else:
        ax.set_yscale("log")
        decimals(ax.yaxis)
        label_ends(ax)


def label_ends(ax: Axes) -> None:
    """Write names at the ends of the loss curves."""
    last = steps[steps["step"] == steps["step"].max()].groupby("modality")["loss"].mean()
    heights = spread([*np.log10(last)], 0.07 * float(np.ptp(np.log10(ax.get_ylim()))))
    for modality, height in zip(last.index, heights, strict=True):
        label_line(ax, f"{modality}s", (steps["step"].max(), 10**height),
                   MODALITY_COLORS[modality])  # fmt: skip


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(2, 1 if layout.narrow else 2, 230 if layout.narrow else 300)
    for ax, name in zip(axes, PANELS, strict=True):
        draw_panel(ax, name)
    return figure


save(draw, snakemake.output)
