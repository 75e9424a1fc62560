"""What describes each set beside the L2 gap, with bootstrap intervals: diagnostics.csv."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.diagnostics import measure
from modality_gap.embedding_set import read_pairs

sets, params = snakemake.params.sets, snakemake.params
rows = []
for name, x, y in read_pairs(sets, snakemake.input.pairs):
    model, weights = sets[name]
    row = measure(x, y, params.bootstrap["resamples"], params.confidence, params.seed)
    rows.append({"set": name, "model": model, "weights": weights, **row})
table = pd.DataFrame(rows)
for quantity in ("gap", "rmg"):
    ranks = table[quantity].rank(ascending=False, method="min")
    table[f"{quantity}_rank"] = ranks.astype(int)
table.to_csv(snakemake.output[0], index=False)
