"""Convert one modality of published embeddings (by the authors or by others) to an embedding
set."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.embeddings.released import of_authors, of_files
from modality_gap.embeddings.sets import write

params = snakemake.params
if isinstance(params.entry.get("released"), dict):
    vectors = of_files(snakemake.input.files, params.row, params.entry)
else:
    vectors = of_authors(snakemake.input[0], params.row, params.entry)
write(vectors, snakemake.output[0])
