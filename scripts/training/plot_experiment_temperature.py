"""Draw Supplementary 8: gap, recall and zero-shot accuracy after fine-tuning, by temperature."""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import MUTED, PALETTE
from modality_gap.figures.style import BAR, Layout, draw_band, label_line, save, spread
from modality_gap.pages.words import fraction

PANELS = {
    "Gap": {"gap": "gap"},
    "Recall@1": {"recall1_ab": "image → text", "recall1_ba": "text → image"},
    "Zero-shot": {"zero_shot": "accuracy"},
}

runs, summary, untouched = (
    pd.read_csv(snakemake.input[name]) for name in ("runs", "summary", "untouched")
)
published = snakemake.params.published
summary = summary.sort_values("temperature")
before = untouched.iloc[0]
temperatures = summary["temperature"]


YLABELS = {
    "Gap": "gap, held-out pairs",
    "Recall@1": "recall@1, held-out pairs",
    "Zero-shot": "zero-shot accuracy",
}


def draw_panel(ax: Axes, quantities: dict[str, str]) -> None:
    named = None
    for number, name in enumerate(quantities):
        color, column = PALETTE[number], f"{name}_after"
        ax.plot(runs["temperature"], runs[column], ".", color=color, ms=4, alpha=BAR)
        ax.plot(
            temperatures, summary[column], "os"[number] + ("-", "--")[number], ms=6, color=color
        )
        ends = summary[f"{column}_low"], summary[f"{column}_high"]
        draw_band(ax, temperatures, *ends, color)
        ax.plot([temperatures.min(), temperatures.max()], [before[name]] * 2, color=color, lw=1,
                ls=":")  # fmt: skip
        paper = {
            key.split()[1]: value for key, value in published.items() if key.split()[0] == name
        }
        at = [one for one in temperatures if fraction(one) in paper]
        ax.plot(at, [paper[fraction(one)] for one in at], color=color,
                **DIAMOND | {"marker": "Ds"[number]})  # fmt: skip
        if at and named is None:  # to the right of the last mark but one, where no other is
            named = at[-2:][0], paper[fraction(at[-2:][0])]
            marks = "◇ □"[: 2 * len(quantities) - 1]
            label_line(ax, f"{marks} paper's CLIP", named, MUTED, xytext=(9, -2), va="top")
    if len(quantities) == 1:
        label_line(ax, f"here, before: {before[name]:.2f}", (temperatures.max(), before[name]),
                   color, xytext=(0, 3), ha="right", va="bottom")  # fmt: skip
    if name == "gap":
        paper = published["untouched"]
        ax.axhline(paper, color=MUTED, lw=1, ls=":")
        label_line(ax, f"paper, before: {paper:.2f}", (temperatures.max(), paper), MUTED,
                   xytext=(0, 3), ha="right", va="bottom")  # fmt: skip
    ax.set(xscale="log", ylim=(0, None), xlabel="temperature")
    if len(quantities) > 1:  # names at the ends, away from the dotted lines
        ends = [summary[f"{name}_after"].iloc[-1] for name in quantities]
        heights = spread(ends, ax.get_ylim()[1] / 12)
        for words, height, color in zip(quantities.values(), heights, PALETTE, strict=False):
            label_line(ax, words, (temperatures.max(), height), color, xytext=(9, 0))
    if "zero_shot" in quantities:
        # Changes are small beside the accuracy, so this axis begins above 0 and says so.
        shown = [runs["zero_shot_after"].min(), summary["zero_shot_after_low"].min()]
        start = math.floor(10 * min(*shown, before["zero_shot"])) / 10
        ax.set_ylim(start, None)
        if start > 0:
            ax.set_title(f"Zero-shot (axis starts at {start:g})")
    ax.set_xticks(temperatures, [fraction(one) for one in temperatures])
    ax.minorticks_off()


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(3, 1 if layout.narrow else 3, 200 if layout.narrow else 290)
    for ax, (title, quantities) in zip(axes, PANELS.items(), strict=True):
        ax.set(title=title, ylabel=YLABELS[title])
        draw_panel(ax, quantities)
        ax.tick_params(axis="x", rotation=40)
    return figure


save(draw, snakemake.output)
