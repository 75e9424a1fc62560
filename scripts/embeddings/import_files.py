"""Import one modality of your own pairs, after the items of both files have been matched."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys

from modality_gap.data.vector_formats import open_source, with_labels
from modality_gap.embeddings.own_pairs import match, recorded, write_side
from modality_gap.errors import InputError

params = snakemake.params
sources = [open_source(path, options) for path, options in params.sources]
for path in params.labels:
    sources = [with_labels(source, path) for source in sources]
pairs = match(*sources, params.several)
for source, alone in zip(sources, pairs.alone, strict=True):
    if len(alone):
        named = ", ".join(alone.slice(0, 10).to_pylist())
        print(f"{source.path}: {len(alone)} items have no partner: {named}", file=sys.stderr)
if len(pairs.names) < params.batch_size:
    raise InputError(
        f"{sources[0].path} and {sources[1].path}: only {len(pairs.names)} pairs, but "
        f"loss_landscape.batch_size is {params.batch_size}. Lower it, or add pairs."
    )
row = params.row
about = recorded(sources[row], params.modality, pairs.alone[row])
write_side(sources[row], pairs.rows[row], pairs, snakemake.output[0], about)
