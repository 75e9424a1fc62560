"""Draw Lemma 3: expected inner products before and after the ReLU, for vectors of the same
length."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.palette import GROUND, PALETTE
from modality_gap.figures.style import Layout, label_line, save

NAMES = {
    "product": "before the ReLU: 1 + u·v",
    "rectified": "after it, twice:\narc-cosine kernel",
}

table = pd.read_csv(snakemake.input[0])
ratio = table["norm_ratio"].iloc[0]  # the other repeats it
part = table[table["norm_ratio"] == ratio].sort_values("cosine")


def draw(layout: Layout) -> Figure:
    figure = layout.figure(260 if layout.narrow else 320)
    ax = figure.add_subplot()
    for color, marker, line, (name, words) in zip(
        PALETTE, "os", ("-", "--"), NAMES.items(), strict=False
    ):
        ax.plot(part["cosine"], part[f"{name}_closed_form"], color=color, ls=line)
        margins = [part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]]
        ax.errorbar(part["cosine"], part[name], margins, color=color, fmt=marker, ms=5, capsize=2,
                    lw=1, mfc=GROUND)  # fmt: skip
        at = part.iloc[len(part) // (2 if name == "product" else 3)]
        low = name == "product"
        label_line(ax, words, (at["cosine"], at[name]), color, xytext=(10, -8) if low else (-6, 12),
                   ha="left" if low else "right", va="top" if low else "bottom")  # fmt: skip
    ax.set(title=f"|u| = 1, |v| = {ratio:g}", xlabel="cosine of u and v", ylim=(-0.05, None),
           ylabel="expected inner product")  # fmt: skip
    return figure


save(draw, snakemake.output)
