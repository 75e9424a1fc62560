"""Draw Theorem 1: how often a layer fails to raise the cosine, against its number of units.

There is one panel per norm. Each curve lies below its own bound.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.palette import INK, RAMP
from modality_gap.figures.style import LETTERS, Layout, decimals, label_line, save, spread

STYLES = ["-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2)), (0, (3, 3)), (0, (7, 2, 1, 2))]
DOTS = (0, (1, 2))  # of bounds, which no measured curve has

table = pd.read_csv(snakemake.input[0])
ratio = table["norm_ratio"].iloc[0]  # the other repeats it
part = table[(table["norm_ratio"] == ratio) & table["covered"]].sort_values("d_out")
seen = part[part["violations"] > 0]
norms, cosines = (sorted(part[name].unique()) for name in ("norm", "cosine"))
LEAST = np.nanmin([seen["violation_share_low"].min(), part["bound"].min()]) / 1.5
PIXELS = {True: 45, False: 55}  # of a factor of ten of the vertical axis, about


def draw_norm(ax: Axes, norm: float, layout: Layout) -> None:
    ends = []
    for number, cosine in enumerate(cosines):
        color, style = RAMP[::-1][number % len(RAMP)], STYLES[number % len(STYLES)]
        here = {"norm": norm, "cosine": cosine}
        case, its = (
            table[(table[list(here)] == pd.Series(here)).all(axis=1)] for table in (seen, part)
        )
        ax.plot(its["d_out"], its["bound"], color=color, ls=DOTS, lw=1.4)
        if case.empty:
            continue
        share = case["violation_share"]
        margins = [share - case["violation_share_low"], case["violation_share_high"] - share]
        ax.errorbar(case["d_out"], share, margins, fmt="os^Dv<>"[number % 7], ms=5, lw=1.2,
                    color=color)  # fmt: skip
        ax.plot(case["d_out"], share, color=color, ls=style, lw=1.4)
        ends.append((cosine, color, case["d_out"].iloc[-1], share.iloc[-1]))
    label_ends(ax, ends, layout)
    ax.set(xscale="log", yscale="log", xlabel="number of units")
    ticks = part["d_out"].unique()[::2]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()


def label_ends(ax: Axes, ends: list[tuple[float, str, float, float]], layout: Layout) -> None:
    """Write the cosine of each curve beside its end: on the left, or on the right if no curve ends
    later."""
    last = max((end[2] for end in ends), default=0)
    right = [end for end in ends if end[2] == last]
    apart = 13 / PIXELS[layout.narrow]
    heights = 10 ** np.array(spread([np.log10(end[3]) for end in right], apart))
    for (cosine, color, x, _), height in zip(right, heights, strict=True):
        words = f"cosine {cosine:g}" if height == heights.max() else f"{cosine:g}"
        label_line(ax, words, (x, height), color)
    for cosine, color, x, y in ends:
        if x < last:
            label_line(ax, f"{cosine:g}", (x, y), color, xytext=(-7, -4), ha="right")


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(len(norms), 1 if layout.narrow else 2, 270 if layout.narrow else 330,
                               sharey=True)  # fmt: skip
    for ax, norm, letter in zip(axes, norms, LETTERS, strict=False):
        draw_norm(ax, norm, layout)
        ax.set_title(f"({letter}) |u| = {norm:g}, |v| = {norm * ratio:g}")
        ax.text(0.98, 0.97, "dotted: bound of each", color=INK, ha="right", va="top",
                fontsize="small", transform=ax.transAxes)  # fmt: skip
    axes[0].set_ylabel("share of layers without a rise")
    axes[0].set_ylim(LEAST, 3)
    decimals(axes[0].yaxis)
    return figure


save(draw, snakemake.output)
