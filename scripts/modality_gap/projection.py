"""Pictures of an embedding space in two dimensions (Figures 1, 2(c) and 3(a))."""

import warnings

import numpy as np


def umap_2d(x: np.ndarray, n_neighbors: int, min_dist: float, seed: int) -> np.ndarray:
    """UMAP of the rows of x (n, d) to (n, 2), cosine metric, the same for the same seed."""
    with warnings.catch_warnings():
        # UMAP warns that a seed keeps it to one thread, which is what is wanted here.
        warnings.filterwarnings("ignore", message="n_jobs value")
        from umap import UMAP

        model = UMAP(
            n_neighbors=min(n_neighbors, len(x) - 1),
            min_dist=min_dist,
            metric="cosine",
            random_state=seed,
            n_jobs=1,
        )
        return model.fit_transform(x)


def principal_components(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (d,), components (count, d) and the shares of variance (min(n, d),) of x (n, d)."""
    centre = x.mean(axis=0)
    _, singular, components = np.linalg.svd(x - centre, full_matrices=False)
    components = components[:count]
    # The sign of a component is arbitrary; a fixed one keeps the figure the same everywhere.
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    return centre, components * signs[:, None], singular**2 / (singular**2).sum()
