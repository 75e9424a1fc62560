"""Draw Figure 1: (a) the two encoders, (b) trained and (c) untrained models."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.figures.pairs import draw_sets
from modality_gap.figures.schematics import draw_two_encoders
from modality_gap.figures.style import letter, save_same, use_style

use_style()
figure, top = draw_sets(
    pd.read_csv(snakemake.input.gap, index_col="set"),
    pd.read_parquet(snakemake.input.umap),
    {"trained": "(b)", "random": "(c)"},
    drawing=2.9,
)
draw_two_encoders(top)
letter(top, "(a)")
save_same(figure, snakemake.output)
