"""The statements of follow-up papers against the tables of this run."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import pandas as pd

from modality_gap.paper.follow_ups import check_follow_ups, load_follow_ups, with_own_claims

results = Path(snakemake.output[0]).parents[1]
tables = {
    Path(path).relative_to(results).as_posix(): pd.read_csv(path) for path in snakemake.input.tables
}
ledger = load_follow_ups(Path(snakemake.input.ledger))
found = check_follow_ups(with_own_claims(ledger, snakemake.params.methods), tables)
found.to_csv(snakemake.output[0], index=False)
