"""Draw Figure 1, the gap before and after training: (a) the two encoders, (b) trained models, and
(c) untrained models."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.figure import Figure

from modality_gap.figures.models import draw_gap_change, models_in_order
from modality_gap.figures.pairs import draw_sets, modalities_legend, strips
from modality_gap.figures.schematics import draw_two_encoders
from modality_gap.figures.style import Layout, save
from modality_gap.paper.chance import retrieves

gaps = pd.read_csv(snakemake.input.gap, index_col="set")
points = pd.read_parquet(snakemake.input.umap)
params = snakemake.params
models = models_in_order(gaps, params.papers, retrieves(gaps))


def draw(layout: Layout) -> Figure:
    # Beside it, the two encoders need 200 pixels, however few models there are.
    dots = 60 + 30 * len(models) if layout.narrow else max(200, 60 + 25 * len(models))
    rows, _ = strips(len(models), layout)
    panels = rows * (2 * (85 if layout.narrow else 120) + 50) + 20
    heights = [dots, 165, panels] if layout.narrow else [dots, panels]
    figure = layout.figure(sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    if layout.narrow:
        change, drawing = parts[0].add_subplot(), parts[1].add_subplot()
    else:
        drawing, change = parts[0].subplots(1, 2, width_ratios=[1, 1.25])
    draw_gap_change(change, layout, models, gaps, params.published)
    of_the_paper = ", paper ◇" if {*params.published} & {*gaps.index} else ""
    change.set_title(f"Gap: untrained ○ → trained ●{of_the_paper}")
    draw_two_encoders(drawing)
    drawing.set_title("(a)")
    letters = {"trained": "(b)", "random": "(c)"}
    draw_sets(parts[-1], layout, models, points, letters, gaps["gap"])
    modalities_legend(parts[-1], (params.modalities[name] for name in gaps.index))
    return figure


save(draw, snakemake.output)
