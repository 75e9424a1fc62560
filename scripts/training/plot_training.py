"""Draw the gap by training step, for the models that are trained here."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import MUTED, PALETTE
from modality_gap.figures.style import Layout, label_line, plain, save, spread
from modality_gap.pages.words import fraction

params = snakemake.params
curves = pd.concat(pd.read_csv(path) for path in snakemake.input.curves)
models = list(curves["model"].unique())


def draw(layout: Layout) -> Figure:
    figure = layout.figure(270 if layout.narrow else 320)
    ax = figure.add_subplot()
    ends = []
    for color, line, model in zip(PALETTE, ("-", "--", "-.", ":") * 2, models, strict=False):
        curve = curves[curves["model"] == model].dropna(subset=["gap"])
        share = curve["step"] / curve["step"].max()
        ax.plot(share, curve["gap"], color=color, ls=line)
        ends.append((model, color, curve["gap"].iloc[-1], curve["step"].max()))
    for (model, color, end, steps), place in zip(
        ends, spread([end[2] for end in ends], 0.26), strict=True
    ):
        name = plain(params.names.get(model, model), 14)
        at = fraction(params.temperatures[model])
        label_line(ax, f"{name}\n{end:.2f} at {at}, {steps:,} steps", (1, place), color)
    before, after = (params.published[f"original {when}"] for when in ("before", "after"))
    ax.plot([0, 1], [before, after], color=MUTED, lw=0.8, ls=":")
    for at, gap in ((0, before), (1, after)):
        ax.plot(at, gap, color=MUTED, **DIAMOND)
    label_line(ax, f"{before:.2f}", (0, before), MUTED, xytext=(-9, 0), ha="right")
    label_line(ax, f"paper's CLIP\n{after:.2f}", (1, after), MUTED, xytext=(9, 0))
    ax.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    ax.set_xlim((-0.2 if layout.narrow else -0.09, None))
    ax.set(ylim=(0, None), ylabel="gap, held-out pairs", xlabel="share of the training steps")
    return figure


save(draw, snakemake.output)
