"""Check the statements of follow-up papers against the tables of this run."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

from modality_gap.paper.follow_ups import check_follow_ups, load_follow_ups, with_own_claims
from modality_gap.paper.loss_pairs import with_other_towers
from modality_gap.paper.measured import read_tables

study = snakemake.params.study
tables = read_tables(snakemake.input.tables, snakemake.params.results)
ledger = with_own_claims(load_follow_ups(Path(snakemake.input.ledger)), study["methods"])
found = check_follow_ups(with_other_towers(ledger, study), tables, snakemake.params.confidence)
found.to_csv(snakemake.output[0], index=False)
