"""The statements of follow-up papers against the tables of this run."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

from modality_gap.paper.follow_ups import check_follow_ups, load_follow_ups, with_own_claims
from modality_gap.paper.measured import read_tables

tables = read_tables(snakemake.input.tables, snakemake.params.results)
ledger = load_follow_ups(Path(snakemake.input.ledger))
found = check_follow_ups(with_own_claims(ledger, snakemake.params.methods), tables)
found.to_csv(snakemake.output[0], index=False)
