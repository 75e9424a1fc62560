"""Put the parts of one dataset into one folder."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys

from modality_gap.data.parquet import columns_and_lengths
from modality_gap.data.parts import link_parts

parts = snakemake.input.parts
_, lengths = columns_and_lengths(parts)
print(f"{sum(lengths):,} rows in {len(parts)} parts", file=sys.stderr)
link_parts(parts, snakemake.output[0], remain=True)
