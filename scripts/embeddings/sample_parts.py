"""Write one modality of a random sample of the pairs of a set, drawn from the samples of its
parts."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys
from dataclasses import replace
from pathlib import Path

from modality_gap.embeddings.sets import write
from modality_gap.embeddings.shards import joined_metadata, read_parts
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
embedded = list(read_parts(snakemake.input.embedded).values())
about = joined_metadata(embedded) if embedded else {"file": Path(params.folder).name}
about |= {
    "modality": snakemake.wildcards.modality,
    "vectors": vectors,
    "unmatched": 0,
    "unmatched_named": [],
    "parts": len(parts),
}
write(replace(sample, metadata=about), snakemake.output[0])
