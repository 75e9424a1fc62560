"""SigLIP's sigmoid loss of the sets whose models have one, over shifts and temperatures."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.loss_tables import (
    LOSS_COLUMNS,
    joined,
    own_scale,
    sigmoid_tables,
    with_gap,
)

params = snakemake.params
tables, minima = [], []
for name, x, y in with_gap(open_pairs(params.sets, snakemake.input.pairs)):
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
        chosen(x.clusters(params.clusters.get(name)), some),
    )
    table.insert(0, "set", name)
    tables.append(table)
    minima += [{"set": name, **row} for row in rows]
columns = ["set", "bias", "own", *LOSS_COLUMNS]
joined(tables, columns).to_csv(snakemake.output.landscape, index=False)
pd.DataFrame(minima, columns=None if minima else columns).to_csv(
    snakemake.output.minimum, index=False
)
