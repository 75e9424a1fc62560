"""Contrastive loss of every set over shifts and temperatures, and its minima (Figure 3(b-d))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.contrastive import (
    back_to_back,
    batched_sweep,
    delta_grid,
    loss_landscape,
    loss_minimum,
    signed_distances,
)
from modality_gap.embedding_set import open_pairs
from modality_gap.tiles import sample_rows

settings = snakemake.params.landscape
deltas = delta_grid(settings)
fine = delta_grid({**settings, "delta_step": settings["fine_step"]})
tables, minima, shapes = [], [], []
for name, x, y in open_pairs(snakemake.params.sets, snakemake.input.pairs):
    grid = settings["temperatures"], settings["batch_size"], snakemake.threads
    table = loss_landscape(x, y, deltas, *grid)
    table.insert(0, "set", name)
    tables.append(table)
    # The minimum, on a fine grid and with an interval, is of a sample of a large set.
    some = sample_rows(len(x), snakemake.params.sample, snakemake.params.seed)
    x, y = x[some], y[some]
    losses = batched_sweep(x, y, fine, *grid)
    distances = signed_distances(x, y, fine)
    for temperature, batches in zip(settings["temperatures"], losses, strict=True):
        minimum = loss_minimum(
            batches,
            fine,
            distances,
            snakemake.params.bootstrap["resamples"],
            snakemake.params.confidence,
            snakemake.params.seed,
        )
        n = minimum["batches"] * settings["batch_size"]
        key = {"set": name, "temperature": temperature, "n": n}
        minima.append({**key, **minimum})
        if shape := back_to_back(batches.mean(axis=1), distances):
            shapes.append({**key, **shape})
pd.concat(tables).to_csv(snakemake.output.landscape, index=False)
pd.DataFrame(minima).to_csv(snakemake.output.minimum, index=False)
columns = [*key, "hump_distance", "hump_loss", "back_distance", "back_loss"]
pd.DataFrame(shapes, columns=columns).to_csv(snakemake.output.shape, index=False)
