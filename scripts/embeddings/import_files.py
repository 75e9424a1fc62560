"""Import one modality of your own pairs, after checking that the two files match."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.stored import open_pair

open_pair(*snakemake.input.pair)[snakemake.params.row].copy_to(snakemake.output[0])
