"""Compute UMAP of both modalities together, for every set (Figure 1(b, c))."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.projection import pair_umap_2d

params, tables = snakemake.params, []
for name, x, y in open_pairs(params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), params.sample, params.seed)
    table = pair_umap_2d(x[some], y[some], params.umap, params.seed)
    table.insert(0, "set", name)
    tables.append(table)
pd.concat(tables).to_parquet(snakemake.output[0], index=False)
