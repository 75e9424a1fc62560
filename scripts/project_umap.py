"""UMAP of both modalities of a set together, every set (Figure 1(b, c))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np
import pandas as pd

from modality_gap.embedding_set import open_pairs
from modality_gap.projection import umap_2d
from modality_gap.tiles import sample_rows

tables = []
for name, x, y in open_pairs(snakemake.params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), snakemake.params.sample, snakemake.params.seed)
    x, y = x[some], y[some]
    points = umap_2d(np.concatenate([x, y]), **snakemake.params.umap, seed=snakemake.params.seed)
    sides = np.repeat(["a", "b"], len(x))
    tables.append(
        pd.DataFrame({"set": name, "side": sides, "umap_1": points[:, 0], "umap_2": points[:, 1]})
    )
pd.concat(tables).to_parquet(snakemake.output[0], index=False)
