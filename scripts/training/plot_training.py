"""Draw the gap by training step of the models trained here."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import MUTED, PALETTE
from modality_gap.figures.style import Layout, label_line, plain, save, spread

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
        label_line(ax, f"{name}\n{end:.2f}, {steps:,} steps", (1, place), color)
    for at, when in ((0, "before"), (1, "after")):
        ax.plot(at, params.published[f"original {when}"], color=MUTED, **DIAMOND)
    label_line(ax, "paper's CLIP", (1, params.published["original after"]), MUTED, xytext=(9, 0))
    ax.set(ylim=(0, None), ylabel="gap, held-out pairs", xlabel="share of the training steps")
    return figure


save(draw, snakemake.output)
