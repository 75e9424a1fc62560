"""Put the shards of one modality's embeddings into one folder."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.shards import gather

remain = snakemake.params.get("remain", False)
gather(snakemake.input.shards, snakemake.output[0], remain)
