"""Measure zero-shot accuracy (or ROC-AUC) of one set over the shifts, for every task (Table 1)."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.embeddings.stored import open_pair, read
from modality_gap.measures.shift import delta_grid, signed_distances, unit_gap_vector
from modality_gap.measures.table1 import measure_task

x, y = open_pair(*snakemake.input.pair)
along, deltas = unit_gap_vector(x, y), delta_grid(snakemake.params.landscape)
distances, prompts = signed_distances(x, y, deltas), read(snakemake.input.prompts)
settings = {key: snakemake.params[key] for key in ("confidence", "permutations", "seed")}
rows, sweeps = [], []
for (name, task), file in zip(snakemake.params.tasks.items(), snakemake.input.images, strict=True):
    settings["cluster"] = snakemake.params.clusters[name]
    row, curve = measure_task(name, task, read(file), prompts, along, deltas, distances, **settings)
    rows.append({"set": snakemake.wildcards.set, **row})
    curve.insert(list(curve).index("task"), "set", snakemake.wildcards.set)
    sweeps.append(curve)
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
pd.concat(sweeps).to_csv(snakemake.output.sweep, index=False)
