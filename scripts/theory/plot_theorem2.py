"""Draw Theorem 2: the share of variance that is not due to the weights, by depth, with its
bounds."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import Layout, label_line, save, spread

LABELS = {"ratio": "measured", "tighter_bound": "bound in the proof", "beta": "bound 1 − β"}

table = pd.read_csv(snakemake.input[0])
widths = sorted(table["width"].unique())
width = widths[len(widths) // 2]  # the others repeat it
part = table[table["width"] == width].sort_values("layer")


def draw(layout: Layout) -> Figure:
    figure = layout.figure(270 if layout.narrow else 330)
    ax = figure.add_subplot()
    ends = []
    for color, marker, line, (name, words) in zip(
        PALETTE, "os^", ("-", "--", "-."), LABELS.items(), strict=False
    ):
        closed_form = 100 * (1 - part[f"{name}_closed_form"])
        ax.plot(part["layer"], closed_form, color=color, lw=1.2, ls=line)
        margins = None
        if f"{name}_low" in part:
            margins = [
                100 * (part[f"{name}_high"] - part[name]),
                100 * (part[name] - part[f"{name}_low"]),
            ]
        ax.errorbar(part["layer"], 100 * (1 - part[name]), margins, color=color, fmt=marker, ms=6,
                    capsize=3, lw=1)  # fmt: skip
        ends.append((words, color, 1 - part[name].iloc[-1]))
    heights = 10 ** np.array(spread([np.log10(end[2]) for end in ends], 0.11))
    for (words, color, value), end in zip(ends, heights, strict=True):
        label_line(
            ax, f"{words} {value:.2%}", (part["layer"].max(), 100 * end), color, xytext=(9, 0)
        )
    ax.set(yscale="log", xlabel="layer", ylabel="variance not due to the weights, %",
           xticks=part["layer"], title=f"width {width}")  # fmt: skip
    ax.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    ax.minorticks_off()
    return figure


save(draw, snakemake.output)
