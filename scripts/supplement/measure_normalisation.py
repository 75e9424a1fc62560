"""Measure the gap of an untrained model with and without its normalisations (Supplementary 15)."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.projection import pair_svd_2d
from modality_gap.measures.tables import measure_normalisation

encoders, params = snakemake.params.encoders, snakemake.params
rows, points = [], []
for name, x, y in open_pairs(encoders, snakemake.input.pairs):
    settings = params.confidence, params.sample, params.seed
    row = measure_normalisation(encoders[name], x, y, *settings, x.clusters(params.cluster))
    rows.append({"encoder": name, **row})
    some = sample_rows(len(x), params.sample, params.seed)
    points.append(pair_svd_2d(x[some], y[some]).assign(encoder=name))
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
columns = ["encoder", "side", "svd_1", "svd_2"]
pd.concat(points)[columns].to_parquet(snakemake.output.svd, index=False)
