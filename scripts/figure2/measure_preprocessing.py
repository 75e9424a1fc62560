"""Measure cone and gap of one encoder, with pictures normalised in two ways (Figure 2(a))."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.embeddings.stored import open_pair
from modality_gap.measures.tables import measure_preprocessing

encoders, params = snakemake.params.encoders, snakemake.params
pairs = [open_pair(file, snakemake.input.text) for file in snakemake.input.images]
first = pairs[0][0]
settings = params.confidence, snakemake.threads, first.clusters(params.cluster)
rows = [
    {"encoder": name, **measure_preprocessing(spec, x, y, first, *settings)}
    for (name, spec), (x, y) in zip(encoders.items(), pairs, strict=True)
]
pd.DataFrame(rows).to_csv(snakemake.output[0], index=False)
