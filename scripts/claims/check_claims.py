"""The claims ledger: every claim of the paper against the tables of this run."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import pandas as pd

from modality_gap.paper.claims import check
from modality_gap.paper.ledger import load_ledger
from modality_gap.paper.show import summary

ledger = load_ledger(Path(snakemake.input.ledger), Path(snakemake.input.schema))
results = Path(snakemake.output[0]).parent
claims = check(
    ledger,
    {
        Path(path).relative_to(results).as_posix(): pd.read_csv(path)
        for path in snakemake.input.tables
    },
)
print(*summary(claims), sep="\n")
claims.to_csv(snakemake.output[0], index=False)
