"""One modality of one's own pairs; the two files must match before either is taken in."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.stored import open_pair

open_pair(*snakemake.input.pair)[snakemake.params.row].copy_to(snakemake.output[0])
