"""Project many initialisations of several encoders. The outputs of the rule decide what is
computed.

It is UMAP and singular values (Figure 2(c)), the same for noise (Supplementary 5), or principal
components (Supplementary 7).
"""

from modality_gap.logs import log_to

log_to(snakemake)

from functools import partial
from itertools import groupby

import pandas as pd

from modality_gap.embeddings.stored import read_initialisations
from modality_gap.measures.initialisations import pca_table, spectrum_table, umap_table

params = snakemake.params
files = zip(params.labels, snakemake.input.embeddings, strict=True)
groups = {
    label: read_initialisations([path for _, path in part])
    for label, part in groupby(files, key=lambda pair: pair[0])
}
umap = partial(umap_table, settings=params.umap, seed=params.seed)
# By output of the rule: what computes the table, and whether from noise.
tables = {
    "umap": (umap, False),
    "spectrum": (spectrum_table, False),
    "pca": (pca_table, False),
    "noise_umap": (umap, True),
    "noise_spectrum": (spectrum_table, True),
}
for output, path in snakemake.output.items():
    compute, noise = tables[output]
    table = pd.concat(
        compute(label, group.select((group.labels["noise"] == noise).to_numpy()))
        for label, group in groups.items()
    )
    if path.endswith(".csv"):
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
