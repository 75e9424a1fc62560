"""UMAP and singular values of many initialisations of three encoders (Figure 2(c))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.cone import between_share, principal_singular_values
from modality_gap.embedding_set import read
from modality_gap.projection import umap_2d

clouds, spectra = [], []
for label, path in zip(snakemake.params.labels, snakemake.input.embeddings, strict=True):
    embeddings = read(path)
    x, seeds = embeddings.normalised(), embeddings.labels["seed"].to_numpy()
    points = umap_2d(x, **snakemake.params.umap, seed=snakemake.params.seed)
    clouds.append(
        pd.DataFrame(
            {"encoder": label, "seed": seeds, "umap_1": points[:, 0], "umap_2": points[:, 1]}
        )
    )
    initialisations = len(set(seeds))
    values = principal_singular_values(x, count=2 * initialisations)
    spectra.append(
        pd.DataFrame(
            {
                "encoder": label,
                "initialisations": initialisations,
                "items": len(x) // initialisations,
                "component": range(1, len(values) + 1),
                "singular_value": values,
                "between_share": between_share(x, seeds),
            }
        )
    )
pd.concat(clouds).to_parquet(snakemake.output.umap, index=False)
pd.concat(spectra).to_csv(snakemake.output.spectrum, index=False)
