"""Compute a loss of the sets over shifts and temperatures, and its minima (Figure 3(b-d))."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.loss_tables import (
    LOSS_COLUMNS,
    SHAPE_COLUMNS,
    joined,
    landscape,
    minima,
    own_columns,
    own_values,
    with_gap,
)
from modality_gap.measures.losses import LOSSES

params, threads = snakemake.params, snakemake.threads
loss = LOSSES[params.loss]
tables, lowest, shapes = [], [], []
for name, x, y in with_gap(open_pairs(params.sets, snakemake.input.pairs)):
    # The minimum, on a fine grid and with an interval, is of a sample of a large set.
    some = sample_rows(len(x), params.sample, params.seed)
    table, *new_rows = minima(
        x[some],
        y[some],
        params.landscape,
        params.bootstrap["resamples"],
        params.confidence,
        params.seed,
        threads,
        chosen(x.clusters(params.clusters.get(name)), some),
        loss,
        own_values(loss.declared, name, x.metadata, params.sets[name]),
    )
    if params.loss == "softmax":
        table = landscape(x, y, params.landscape, threads)
    table.insert(0, "set", name)
    tables.append(table)
    for rows, new in zip((lowest, shapes), new_rows, strict=True):
        rows += [{"set": name, **row} for row in new]
own = own_columns(loss.declared)
columns = ["set", *own, *LOSS_COLUMNS]
joined(tables, columns).to_csv(snakemake.output.landscape, index=False)
pd.DataFrame(lowest, columns=None if lowest else columns).to_csv(
    snakemake.output.minimum, index=False
)
columns = ["set", "temperature", *own, *SHAPE_COLUMNS]
pd.DataFrame(shapes, columns=columns).to_csv(snakemake.output.shape, index=False)
