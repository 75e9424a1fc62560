"""Draw Supplementary 4: uncentred SVD of trained and untrained models."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.figures.style import draw_sets, save, use_style

use_style()
figure, _ = draw_sets(
    pd.read_csv(snakemake.input.gap, index_col="set"),
    pd.read_parquet(snakemake.input.svd),
    {"trained": "(a)", "random": "(b)"},
)
save(figure, snakemake.output.svg, snakemake.output.pdf)
