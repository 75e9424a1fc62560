"""Copy the embeddings of one encoder to a set of two encoders, as one of its modalities."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.shards import copy_set

copy_set(snakemake.input.embeddings, snakemake.output[0])
