"""Draw Theorem 1: how often a layer fails to raise the cosine, on an axis with one bound."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.palette import INK, RAMP
from modality_gap.figures.style import Layout, decimals, label_line, save

table = pd.read_csv(snakemake.input[0])
ratio = table["norm_ratio"].iloc[0]
cosines = sorted(table["cosine"].unique())
part = table[(table["norm_ratio"] == ratio) & table["covered"]].sort_values("d_out_scaled")
seen = part[part["violations"] > 0]


def draw(layout: Layout) -> Figure:
    figure = layout.figure(290 if layout.narrow else 380)
    ax = figure.add_subplot()
    for number, cosine in enumerate(cosines):
        color = RAMP[::-1][number % len(RAMP)]
        named = cosine not in (cosines[0], cosines[-1])  # those between lie between
        for _, case in seen[seen["cosine"] == cosine].groupby("norm", sort=False):
            share = case["violation_share"]
            margins = [share - case["violation_share_low"], case["violation_share_high"] - share]
            ax.errorbar(case["d_out_scaled"], share, margins, fmt="os^Dv<>"[number % 7] + "-", ms=5,
                        lw=1.2, color=color)  # fmt: skip
            if not named:
                end = case.iloc[0 if cosine == cosines[-1] else -1]
                at = end["d_out_scaled"], end["violation_share"]
                low = cosine == cosines[0]  # left of its end, where no other curve is
                label_line(ax, f"cosine {cosine:g}", at, color, xytext=(-9, 0) if low else (2, -10),
                           ha="right" if low else "left")  # fmt: skip
                named = True
    ax.plot(part["d_out_scaled"], part["bound"], "--", color=INK)
    middle = part.iloc[2 * len(part) // 3]
    label_line(ax, "bound, O(1/d_out)", (middle["d_out_scaled"], middle["bound"]), INK,
               xytext=(4, 8), va="bottom")  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="number of units · m² / V",
           ylabel="share of layers without a rise", title=f"|v|/|u| = {ratio:g}")  # fmt: skip
    ax.set_ylim(seen["violation_share_low"].min() / 1.5, 1.6)
    decimals(ax.xaxis, ax.yaxis)
    return figure


save(draw, snakemake.output)
