"""Draw Figure 2(a): distributions of all pairwise cosines. Each row is an encoder in three
settings."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.models import DIAMOND
from modality_gap.figures.palette import INK, MUTED, PALETTE
from modality_gap.figures.style import Layout, plain, save

SETTINGS = {
    ("trained", "real"): "trained, real inputs",
    ("random", "real"): "random, real inputs",
    ("random", "noise"): "random, noise",
}
# The paper's models, by the kind of encoder.
PAPERS = {
    "convolutional network": "ResNet-18",
    "vision transformer": "CLIP ViT-B/32",
    "text transformer": "CLIP ViT-B/32",
}
RIDGE = 0.85  # height of the highest, of the distance between two

table = pd.read_csv(snakemake.input.table)
histogram = pd.read_csv(snakemake.input.histogram)
published = snakemake.params.published
encoders = list(table["encoder"].unique())


def draw_encoder(ax: Axes, encoder: str, layout: Layout) -> None:
    labels = []
    for line, ((weights, inputs), words) in enumerate(SETTINGS.items()):
        chosen = pd.DataFrame([{"encoder": encoder, "weights": weights, "inputs": inputs}])
        bars, row = histogram.merge(chosen), table.merge(chosen).iloc[0]
        base, color = len(SETTINGS) - 1 - line, PALETTE[line]
        heights = RIDGE * bars["pairs"] / bars["pairs"].max()
        edges = np.append(bars["cosine_low"], bars["cosine_high"].iloc[-1])
        ax.stairs(base + heights, edges, baseline=base, color=color, fill=True, alpha=0.45, lw=0)
        ax.stairs(base + heights, edges, baseline=None, color=color, lw=1)
        ax.plot([row["mean_cosine"]] * 2, [base, base + RIDGE], color=INK, ls="--", lw=1.2)
        paper = published.get(f"{encoder}, {weights}, {inputs}")
        if paper is not None:
            ax.plot(paper, base + 0.12, color=MUTED, clip_on=False, **DIAMOND)
        own = f"{words}\nmean {row['mean_cosine']:.3f}, n {row['n']:,}"
        if paper is not None:
            between = "\n" if layout.narrow else " "
            own += f"\n◇ paper's {PAPERS[encoder]}{between}{paper:.3f}"
        labels.append(own)
    ax.set_yticks([2.4, 1.4, 0.4], labels)
    for tick, color in zip(ax.get_yticklabels(), PALETTE, strict=False):
        tick.set_color(color)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(snakemake.params.axis)
    trained = (table["encoder"] == encoder) & (table["weights"] == "trained")
    model = table.loc[trained, "model"].iloc[0]
    ax.set(ylim=(-0.05, 3), title=plain(f"{encoder}: {model}", 34 if layout.narrow else 80))


def draw(layout: Layout) -> Figure:
    figure, axes = layout.grid(len(encoders), 1, 220 if layout.narrow else 185, sharex=True)
    for ax, encoder in zip(axes, encoders, strict=True):
        draw_encoder(ax, encoder, layout)
    axes[-1].set_xlabel("cosine similarity")
    angles = axes[0].secondary_xaxis("top", functions=(degrees, cosines))
    marks = (100, 90, 75, 60, 45, 30, 0)
    angles.set_xticks(marks, [f"{at}°" for at in marks])
    angles.set_xlabel("angle")
    return figure


def degrees(cosine: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def cosines(angle: np.ndarray) -> np.ndarray:
    return np.cos(np.radians(angle))


save(draw, snakemake.output)
