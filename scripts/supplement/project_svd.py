"""Compute SVD, without centring, of both modalities together, for every set (Supplementary 4)."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.projection import pair_svd_2d

tables = []
for name, x, y in open_pairs(snakemake.params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), snakemake.params.sample, snakemake.params.seed)
    points = pair_svd_2d(x[some], y[some]).assign(set=name)
    tables.append(points[["set", "side", "svd_1", "svd_2"]])
pd.concat(tables).to_parquet(snakemake.output[0], index=False)
