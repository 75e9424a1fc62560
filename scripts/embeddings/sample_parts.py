"""Write one modality of a random sample of your own pairs, drawn from the samples of their
parts."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys
from dataclasses import replace
from pathlib import Path

from modality_gap.embeddings.sets import write
from modality_gap.errors import InputError
from modality_gap.measures.by_part import read_sample, read_sums

params, parts = snakemake.params, snakemake.input.parts
sample = read_sample(parts, params.side, params.sample)
vectors = read_sums(parts).n
print(f"a sample of {len(sample):,} of {vectors:,} pairs, {len(parts)} parts", file=sys.stderr)
if len(sample) < params.batch_size:
    raise InputError(
        f"{params.folder}: only {len(sample)} pairs, but loss_landscape.batch_size is "
        f"{params.batch_size}. Lower it, or add pairs."
    )
about = {
    "file": Path(params.folder).name,
    "modality": snakemake.wildcards.modality,
    "vectors": vectors,
    "unmatched": 0,
    "unmatched_named": [],
    "parts": len(parts),
}
write(replace(sample, metadata=about), snakemake.output[0])
