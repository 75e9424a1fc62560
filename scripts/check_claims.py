"""The claims ledger: every claim of the paper against the tables of this run."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from pathlib import Path

import pandas as pd

from modality_gap.claims import check, load_ledger, summary

ledger = load_ledger(Path(snakemake.input.ledger), Path(snakemake.input.schema))
claims = check(
    ledger,
    {
        Path(path).relative_to("results").as_posix(): pd.read_csv(path)
        for path in snakemake.input.tables
    },
)
print(*summary(claims), sep="\n")
claims.to_csv(snakemake.output[0], index=False)
