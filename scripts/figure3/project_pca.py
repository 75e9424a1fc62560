"""Compute PCA of the trained sets, and the path of a shift in its coordinates (Figure 3(a))."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.shift_path import pca_with_shifts

params = snakemake.params
points, shifts = [], []
for name, x, y in open_pairs(params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), params.sample, params.seed)
    for tables, table in zip((points, shifts), pca_with_shifts(x[some], y[some]), strict=True):
        table.insert(0, "set", name)
        tables.append(table)
pd.concat(points).to_parquet(snakemake.output.points, index=False)
pd.concat(shifts).to_csv(snakemake.output.shifts, index=False)
