"""Draw Supplementary 8: gap, recall and zero-shot accuracy after fine-tuning, by temperature."""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import MUTED, PALETTE
from modality_gap.figures.style import Layout, fraction, label_line, save

PANELS = {
    "Gap": {"gap": "gap"},
    "Recall@1": {"recall1_ab": "image to text", "recall1_ba": "text to image"},
    "Zero-shot accuracy": {"zero_shot": "accuracy"},
}

runs, summary, untouched = (
    pd.read_csv(snakemake.input[name]) for name in ("runs", "summary", "untouched")
)
published = snakemake.params.published
summary = summary.sort_values("temperature")
before = untouched.iloc[0]
temperatures = summary["temperature"]


def draw_panel(ax: Axes, quantities: dict[str, str]) -> None:
    for number, (name, words) in enumerate(quantities.items()):
        color, column = PALETTE[number], f"{name}_after"
        ax.plot(runs["temperature"], runs[column], ".", color=color, ms=4, alpha=0.5)
        ax.plot(
            temperatures, summary[column], "os"[number] + ("-", "--")[number], ms=6, color=color
        )
        ends = summary[f"{column}_low"], summary[f"{column}_high"]
        ax.fill_between(temperatures, *ends, color=color, alpha=0.2, lw=0)
        ax.plot([temperatures.min(), temperatures.max()], [before[name]] * 2, color=color, lw=1,
                ls=":")  # fmt: skip
        paper = {
            key.split()[1]: value for key, value in published.items() if key.split()[0] == name
        }
        at = [one for one in temperatures if fraction(one) in paper]
        ax.plot(at, [paper[fraction(one)] for one in at], color=color,
                **DIAMOND | {"marker": "Ds"[number]})  # fmt: skip
        if len(quantities) > 1:
            label_line(ax, words, (temperatures.iloc[-2], summary[column].iloc[-2]), color,
                       xytext=(0, -34 if number == 0 else 16), ha="center")  # fmt: skip
    if name == "gap":
        ax.text(temperatures.max(), before[name], "before", ha="right", va="bottom",
                fontsize="small", color=MUTED)  # fmt: skip
    ax.set(xscale="log", ylim=(0, None), xlabel="temperature")
    if "zero_shot" in quantities:
        # Changes are small beside the accuracy, so this axis begins above 0 and says so.
        shown = [runs["zero_shot_after"].min(), summary["zero_shot_after_low"].min()]
        start = math.floor(10 * min(*shown, before["zero_shot"])) / 10
        ax.set(ylim=(start, None), ylabel=f"axis begins at {start:g}" if start > 0 else "")
    ax.set_xticks(temperatures, [fraction(one) for one in temperatures])
    ax.minorticks_off()


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(3, 1 if layout.narrow else 3, 200 if layout.narrow else 290)
    for ax, (title, quantities) in zip(axes, PANELS.items(), strict=True):
        draw_panel(ax, quantities)
        ax.set_title(title)
        ax.tick_params(axis="x", rotation=0 if layout.narrow else 40)
    return figure


save(draw, snakemake.output)
