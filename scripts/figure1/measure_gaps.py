"""Measure gap, cosines, recall and separability of every set (Figure 1): gap.csv."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.by_part import read_sums
from modality_gap.measures.registry import Pairs
from modality_gap.measures.tables import measure_set, say_repeated

sets, params = snakemake.params.sets, snakemake.params
rows = []
for name, x, y in open_pairs(sets, snakemake.input.pairs):
    model, weights = sets[name]
    clusters = x.clusters(params.clusters.get(name))
    settings = params.confidence, params.sample, params.seed, clusters
    parts = snakemake.input.get(f"parts_{name}")
    pairs = Pairs(
        *(x, y, *settings),
        threads=snakemake.threads,
        largest=params.compare_at_most,
        sums=read_sums(parts) if parts else None,
    )
    row = measure_set(pairs)
    say_repeated(row)
    rows.append({"set": name, "model": model, "weights": weights, **row})
pd.DataFrame(rows).to_csv(snakemake.output[0], index=False)
