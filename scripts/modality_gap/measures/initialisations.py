"""One cone per initialisation of an encoder (Figure 2(c), Supplementary 5, 7, 13 and 14). `group`
holds the embeddings of all initialisations, with the label seed."""

import pandas as pd

from modality_gap.embeddings.sets import EmbeddingSet
from modality_gap.measures.cone import between_share, principal_singular_values
from modality_gap.measures.projection import principal_components, umap_2d


def umap_table(label: str, group: EmbeddingSet, settings: dict, seed: int) -> pd.DataFrame:
    """UMAP of all embeddings together, with the columns encoder, seed (of the weights), umap_1,
    umap_2. `settings` are `umap` of the config; the argument `seed` is UMAP's own."""
    points = umap_2d(group.normalised(), **settings, seed=seed)
    seeds = group.labels["seed"]
    return pd.DataFrame(
        {"encoder": label, "seed": seeds, "umap_1": points[:, 0], "umap_2": points[:, 1]}
    )


def spectrum_table(label: str, group: EmbeddingSet) -> pd.DataFrame:
    """The largest singular values, twice as many as there are initialisations, and the share of the
    variance that is between initialisations."""
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


def pca_table(label: str, group: EmbeddingSet) -> pd.DataFrame:
    """The first two principal components and their shares of the variance."""
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
