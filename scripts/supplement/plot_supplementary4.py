"""Draw Supplementary 4: SVD, without centring, of trained and untrained models."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.models import models_in_order
from modality_gap.figures.pairs import draw_sets, modalities_legend, strips
from modality_gap.figures.style import Layout, save
from modality_gap.paper.chance import retrieves

gaps = pd.read_csv(snakemake.input.gap, index_col="set")
points = pd.read_parquet(snakemake.input.svd)
models = models_in_order(gaps, snakemake.params.papers, retrieves(gaps))


def draw(layout: Layout) -> Figure:
    rows, _ = strips(len(models), layout)
    figure = layout.figure(rows * (2 * (85 if layout.narrow else 120) + 50) + 20)
    draw_sets(figure, layout, models, points, {"trained": "(a)", "random": "(b)"})
    words = "horizontal: first right singular vector; vertical: second"
    figure.suptitle(words, x=0.01, ha="left", fontsize="small")
    modalities = snakemake.params.modalities
    modalities_legend(figure, (modalities[name] for name in gaps.index))
    return figure


save(draw, snakemake.output)
