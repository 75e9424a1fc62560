"""Draw Theorem 1: share of violations by number of units, and against its bound."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from modality_gap.figures.palette import INK, MUTED
from modality_gap.figures.style import letter, save_same, use_style

use_style()
table = pd.read_csv(snakemake.input[0])
ratios, norms, cosines = (list(table[name].unique()) for name in ("norm_ratio", "norm", "cosine"))
# Ordered, so a ramp from light to dark, whose lightness alone tells the cosines apart.
shades = plt.get_cmap("viridis_r")(np.linspace(0.1, 1, len(cosines)))
lowest = table.loc[table["violations"] > 0, "violation_share_low"].min() / 2
limits = (lowest, 1.6)


def draw(ax, x: str, cases: pd.DataFrame) -> None:
    """Draw shares of violations with intervals, one line per case; the upper limit if none was
    seen."""
    for (cosine, covered), color in (
        ((cosine, covered), shade)
        for cosine, shade in zip(cosines, shades, strict=True)
        for covered in (True, False)
    ):
        part = cases[(cases["cosine"] == cosine) & (cases["covered"] == covered)]
        for _, case in part.groupby(["norm_ratio", "norm"], sort=False):
            seen, unseen = case[case["violations"] > 0], case[case["violations"] == 0]
            margins = [
                seen["violation_share"] - seen["violation_share_low"],
                seen["violation_share_high"] - seen["violation_share"],
            ]
            look = {"color": color, "ms": 4, "mfc": color if covered else "white"}
            style = "-" if covered else ":"
            ax.errorbar(
                seen[x], seen["violation_share"], margins, marker="o", ls=style, lw=1.2, **look
            )
            ax.plot(unseen[x], unseen["violation_share_high"], "v", **look)


figure, axes = plt.subplots(
    len(ratios), len(norms) + 1, figsize=(10, 3.1 * len(ratios)), sharey=True, squeeze=False
)
units = sorted(table["d_out"].unique())
for line, ratio in zip(axes, ratios, strict=True):
    for ax, norm in zip(line, norms, strict=False):
        part = table[(table["norm_ratio"] == ratio) & (table["norm"] == norm)]
        draw(ax, "d_out", part)
        ax.set(title=f"|v|/|u| = {ratio:g}, |u| = {norm:g}", xscale="log", yscale="log")
        ax.set_xticks(units[::2], [str(value) for value in units[::2]])
        ax.minorticks_off()
    ax = line[-1]
    part = table[(table["norm_ratio"] == ratio) & table["covered"]]
    draw(ax, "d_out_scaled", part)
    bound = part.sort_values("d_out_scaled")
    ax.plot(bound["d_out_scaled"], bound["bound"], "--", color=INK)
    ax.set(title=f"|v|/|u| = {ratio:g}, both norms", xscale="log", ylim=limits)
    ax.minorticks_off()
    line[0].set_ylabel("share of violations")
for ax in axes[-1, :-1]:
    ax.set_xlabel("number of units, d_out")
axes[-1, -1].set_xlabel("d_out · m² / V")
handles = [
    Line2D([], [], color=shade, marker="o", ms=4, label=f"{cosine:g}")
    for cosine, shade in zip(cosines, shades, strict=True)
]
handles += [
    Line2D([], [], color=MUTED, marker="o", ms=4, ls=":", mfc="white", label="not covered"),
    Line2D([], [], color=MUTED, marker="v", ms=4, ls="", label="none seen: upper limit"),
    Line2D([], [], color=INK, ls="--", label="bound, O(1/d_out)"),
]
figure.legend(
    handles=handles, title="cosine of u and v", loc="outside lower center", ncols=len(cosines) + 3,
    columnspacing=1.2, handlelength=1.6,
)  # fmt: skip
for ax, label in zip(axes[0], ("(a)", "(b)", "(c)"), strict=False):
    letter(ax, label)
save_same(figure, snakemake.output)
