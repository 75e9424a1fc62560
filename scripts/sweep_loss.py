"""Contrastive loss of every set over shifts and temperatures (Figure 3(b-d))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.contrastive import delta_grid, loss_landscape
from modality_gap.embedding_set import read_pairs

settings = snakemake.params.landscape
deltas = delta_grid(settings)
tables = []
for name, x, y in read_pairs(snakemake.params.sets, snakemake.input.pairs):
    table = loss_landscape(x, y, deltas, settings["temperatures"], settings["batch_size"])
    table.insert(0, "set", name)
    tables.append(table)
pd.concat(tables).to_csv(snakemake.output[0], index=False)
