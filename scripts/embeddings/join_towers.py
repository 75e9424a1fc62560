"""One modality of a set of two encoders: the embeddings by one of them."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.shards import copy_set

copy_set(snakemake.input.embeddings, snakemake.output[0])
