"""Write the sums and a sample of one part of a set."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys

from modality_gap.data.vector_formats import open_source
from modality_gap.measures.by_part import sum_part, without_skipped, write_part

params = snakemake.params
sources = without_skipped(*(open_source(path, options) for path, options in params.sources))
sums, sample = sum_part(*sources, snakemake.wildcards.part, params.sample, params.seed)
print(f"{sums.n:,} pairs, of which {len(sample.keys):,} are in the sample", file=sys.stderr)
write_part(snakemake.output[0], sums, sample)
