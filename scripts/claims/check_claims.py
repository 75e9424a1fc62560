"""Check every claim of the paper in the ledger against the tables of this run."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

from modality_gap.paper.claims import check
from modality_gap.paper.ledger import load_ledger
from modality_gap.paper.measured import read_tables
from modality_gap.paper.show import summary

ledger = load_ledger(Path(snakemake.input.ledger), Path(snakemake.input.schema))
claims = check(ledger, read_tables(snakemake.input.tables, snakemake.params.results))
print(*summary(claims), sep="\n")
claims.to_csv(snakemake.output[0], index=False)
