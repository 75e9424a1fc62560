"""Measure how often people get an offensive label, by group and shift (Table 2)."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.stored import open_pair, read
from modality_gap.measures.fairness import measure_harm

inputs, params = snakemake.input, snakemake.params
table = measure_harm(
    *open_pair(*inputs.pair),
    read(inputs.images),
    read(inputs.prompts),
    params.table2,
    params.confidence,
    params.cluster,
)
table.to_csv(snakemake.output[0], index=False)
