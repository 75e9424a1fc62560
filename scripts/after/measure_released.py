"""What the released code of follow-ups computes where it differs from what they say, by set."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.posthoc.released import COLUMNS, as_released

params, tables = snakemake.params, []
for name, x, y in open_pairs(params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), params.pairs, params.seed)
    clusters = chosen(x.clusters(params.clusters.get(name)), some)
    found = as_released(x[some], y[some], clusters, params.confidence, params.seed)
    tables.append(found.assign(set=name))
joined = pd.concat(tables) if tables else pd.DataFrame()
joined.reindex(columns=["set", *COLUMNS]).to_csv(snakemake.output[0], index=False)
