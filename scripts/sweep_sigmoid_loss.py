"""SigLIP's sigmoid loss of the sets whose models have one, over shifts and temperatures."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.embedding_set import open_pairs
from modality_gap.loss_sweep import own_scale, sigmoid_tables
from modality_gap.tiles import sample_rows

params = snakemake.params
tables, minima = [], []
for name, x, y in open_pairs(params.sets, snakemake.input.pairs):
    own = own_scale(name, x.metadata, params.sets[name])
    some = sample_rows(len(x), params.sample, params.seed)
    table, rows = sigmoid_tables(
        x[some],
        y[some],
        *own,
        params.landscape,
        params.bootstrap["resamples"],
        params.confidence,
        params.seed,
    )
    table.insert(0, "set", name)
    tables.append(table)
    minima += [{"set": name, **row} for row in rows]
pd.concat(tables).to_csv(snakemake.output.landscape, index=False)
pd.DataFrame(minima).to_csv(snakemake.output.minimum, index=False)
