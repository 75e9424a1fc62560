"""Draw Supplementary 4: uncentred SVD of trained and untrained models."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.figures.pairs import draw_sets
from modality_gap.figures.style import save_same, use_style

use_style()
figure, _ = draw_sets(
    pd.read_csv(snakemake.input.gap, index_col="set"),
    pd.read_parquet(snakemake.input.svd),
    {"trained": "(a)", "random": "(b)"},
)
save_same(figure, snakemake.output)
