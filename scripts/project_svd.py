"""Uncentred SVD of both modalities of a set together, every set (Supplementary 4)."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.embedding_set import read_pairs
from modality_gap.projection import pair_svd_2d

tables = [
    pair_svd_2d(x, y).assign(set=name)[["set", "side", "svd_1", "svd_2"]]
    for name, x, y in read_pairs(snakemake.params.sets, snakemake.input.pairs)
]
pd.concat(tables).to_parquet(snakemake.output[0], index=False)
