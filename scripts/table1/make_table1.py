"""Write Table 1 and the curves behind it, for all sets."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

for source, target in (("tables", "table"), ("sweeps", "sweep")):
    tables = [pd.read_csv(path) for path in snakemake.input[source]]
    pd.concat(tables).to_csv(snakemake.output[target], index=False)
