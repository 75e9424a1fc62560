"""Merge the shards of one modality's embeddings."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.shards import merge

merge(snakemake.input.shards, snakemake.output[0])
