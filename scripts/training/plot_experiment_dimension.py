"""Draw Supplementary 16: the gap against the dimension of the shared space, for each seed."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import BAR, Layout, label_line, save

LINES = {"gap_before": ("before training", "--"), "gap_after": ("after training", "-")}

runs, summary = (pd.read_csv(snakemake.input[name]) for name in ("runs", "summary"))
summary = summary.sort_values("dim")


def draw(layout: Layout) -> Figure:
    figure = layout.figure(250 if layout.narrow else 320)
    ax = figure.add_subplot()
    for color, marker, (name, (words, line)) in zip(PALETTE, "os", LINES.items(), strict=False):
        ax.plot(summary["dim"], summary[name], color=color, ls=line)
        ax.plot(runs["dim"], runs[name], marker, ms=6, color=color, alpha=BAR)
        label_line(ax, words, (summary["dim"].max(), summary[name].iloc[-1]), color,
                   xytext=(10, 0))  # fmt: skip
    ax.set(xscale="log", xlabel="dimensions of the shared space", ylabel="gap, held-out pairs",
           ylim=(0, None))  # fmt: skip
    ax.set_xticks(summary["dim"], summary["dim"])
    ax.minorticks_off()
    return figure


save(draw, snakemake.output)
