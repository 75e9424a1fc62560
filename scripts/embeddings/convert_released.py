"""One modality of the authors' released features, (2, n, d), as an embedding set."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np

from modality_gap.embeddings.sets import EmbeddingSet, write

features = np.load(snakemake.input[0], allow_pickle=False)[snakemake.params.row]
entry = snakemake.params.entry
write(
    EmbeddingSet(
        np.array([f"{row:05d}" for row in range(len(features))], dtype=object),
        features,
        metadata={
            "model": entry["label"],
            "weights": entry["weights"],
            "dataset": "released by the authors at commit 8e20cb2",
            "dtype": str(features.dtype),
        },
    ),
    snakemake.output[0],
)
