"""Apply a linear projection, trained or untrained, to the embeddings of a frozen encoder."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
from safetensors.numpy import load_file

from modality_gap.config.model_files import file_digests
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import read

source = read(snakemake.input.embeddings).choose(snakemake.params.inputs, snakemake.params.seed)
weight = load_file(snakemake.input.projection)[f"{snakemake.wildcards.modality}.weight"]
vectors = (source.normalised() @ weight.T.astype(np.float64)).astype(np.float32)
metadata = source.metadata | {
    "projection": snakemake.input.projection.rsplit("/", 1)[1],
    "projection_sha256": file_digests([snakemake.input.projection])[snakemake.input.projection],
    "model": f"{source.metadata['model']}, then a linear projection to {len(weight)} dimensions",
}
write(EmbeddingSet(source.item_ids, vectors, source.labels, metadata), snakemake.output[0])
