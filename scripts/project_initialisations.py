"""Many initialisations of several encoders: UMAP and singular values (Figure 2(c)), the same of
noise (Supplementary 5) and principal components (Supplementary 7), as far as the rule asks."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from itertools import groupby

import pandas as pd

from modality_gap.cone import between_share, principal_singular_values
from modality_gap.embedding_set import EmbeddingSet, read_initialisations
from modality_gap.projection import principal_components, umap_2d


def umap(label: str, group: EmbeddingSet) -> pd.DataFrame:
    x = group.normalised()
    points = umap_2d(x, **snakemake.params.umap, seed=snakemake.params.seed)
    seeds = group.labels["seed"]
    return pd.DataFrame(
        {"encoder": label, "seed": seeds, "umap_1": points[:, 0], "umap_2": points[:, 1]}
    )


def spectrum(label: str, group: EmbeddingSet) -> pd.DataFrame:
    x, seeds = group.normalised(), group.labels["seed"].to_numpy()
    initialisations = len(set(seeds))
    values = principal_singular_values(x, count=2 * initialisations)
    return pd.DataFrame(
        {
            "encoder": label,
            "initialisations": initialisations,
            "items": len(x) // initialisations,
            "component": range(1, len(values) + 1),
            "singular_value": values,
            "between_share": between_share(x, seeds),
        }
    )


def pca(label: str, group: EmbeddingSet) -> pd.DataFrame:
    x = group.normalised()
    centre, components, shares = principal_components(x, 2)
    points = (x - centre) @ components.T
    return pd.DataFrame(
        {
            "encoder": label,
            "seed": group.labels["seed"],
            "pc_1": points[:, 0],
            "pc_2": points[:, 1],
            "share_1": shares[0],
            "share_2": shares[1],
        }
    )


files = zip(snakemake.params.labels, snakemake.input.embeddings, strict=True)
groups = {
    label: read_initialisations([path for _, path in part])
    for label, part in groupby(files, key=lambda pair: pair[0])
}
tables = {"umap": umap, "spectrum": spectrum, "pca": pca}
for output, path in snakemake.output.items():
    noise = output.startswith("noise_")
    compute = tables[output.removeprefix("noise_")]
    table = pd.concat(
        compute(label, group.select((group.labels["noise"] == noise).to_numpy()))
        for label, group in groups.items()
    )
    if path.endswith(".csv"):
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
