"""Compute measures of each set other than the L2 gap, with bootstrap intervals: diagnostics.csv.

Of a large set, only a sample of pairs is measured; the column n is its size.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.diagnostics import ranked
from modality_gap.measures.registry import Pairs
from modality_gap.measures.tables import measure_diagnostics

sets, params = snakemake.params.sets, snakemake.params
rows = []
for name, x, y in open_pairs(sets, snakemake.input.pairs):
    model, weights = sets[name]
    some = sample_rows(len(x), params.sample, params.seed)
    clusters = x.clusters(params.clusters.get(name))
    settings = params.confidence, params.sample, params.seed
    pairs = Pairs(
        x[some], y[some], *settings, chosen(clusters, some), params.bootstrap["resamples"]
    )
    row = measure_diagnostics(pairs)
    rows.append({"set": name, "model": model, "weights": weights, **row})
ranked(pd.DataFrame(rows)).to_csv(snakemake.output[0], index=False)
