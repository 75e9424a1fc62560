"""Measure, for each set, what released code of follow-ups computes where it differs from the
paper."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.posthoc.kinds import PAIRS, kind_of
from modality_gap.measures.posthoc.released import COLUMNS, as_released, clusters_found

params, tables = snakemake.params, []
for name, x, y in open_pairs(params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), params.pairs, params.seed)
    clusters = chosen(x.clusters(params.clusters.get(name)), some)
    labels = [x.label(column)[some] for column in params.labels[name]]
    pairs, found = (x[some], y[some]), []
    if kind_of(*pairs, clusters) == PAIRS:
        found.append(as_released(*pairs, clusters, params.confidence, params.seed))
    if labels:  # the finest of them
        found.append(clusters_found(*pairs, max(labels, key=lambda of: len(set(of))), params.seed))
    tables += [table.assign(set=name) for table in found]
joined = pd.concat(tables) if tables else pd.DataFrame()
joined.reindex(columns=["set", *COLUMNS]).to_csv(snakemake.output[0], index=False)
