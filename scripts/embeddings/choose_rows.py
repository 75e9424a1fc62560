"""Choose the rows of all parts of a dataset that some inputs take a sample of."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys
from pathlib import Path

import numpy as np

from modality_gap.embeddings.extraction import select_rows_of_parts

parts = snakemake.input.parts
rows = select_rows_of_parts(parts, snakemake.params.inputs, snakemake.params.seed)
print(f"{sum(map(len, rows)):,} rows of {len(parts)} parts", file=sys.stderr)
np.savez(
    snakemake.output[0],
    **{Path(path).stem: some for path, some in zip(parts, rows, strict=True)},
)
