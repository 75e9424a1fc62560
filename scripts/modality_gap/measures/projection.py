"""Projections of an embedding space to the plane (Figures 1, 2(c), 3(a); Supplementary 4, 7,
15)."""

import warnings

import numpy as np
import pandas as pd

from modality_gap.data.tiles import tiles
from modality_gap.measures.retrieval import identical_rows

# From as many points on, UMAP itself would look for approximate neighbours, which takes longer.
EXACT_FROM = 4096


def nearest_neighbours(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest points of each of the unit vectors x (n, d): their rows and their cosine
    distances, two arrays (n, count), int32 and float32. The nearest comes first. Each vector is
    among its own nearest points."""
    rows, distances = [], []
    for (some,) in tiles(x, size=1024):
        cosines = some @ x.T
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        away = 1 - np.take_along_axis(cosines, nearest, axis=1)
        order = np.argsort(away, axis=1, kind="stable")
        rows.append(np.take_along_axis(nearest, order, axis=1))
        distances.append(np.take_along_axis(away, order, axis=1).clip(min=0))
    return np.concatenate(rows).astype(np.int32), np.concatenate(distances).astype(np.float32)


def umap_2d(x: np.ndarray, n_neighbors: int, min_dist: float, seed: int) -> np.ndarray:
    """UMAP of the unit vectors x (n, d) to (n, 2), with the cosine metric. The same seed gives the
    same result. Prints its steps to stdout and its epochs to stderr."""
    neighbours = min(n_neighbors, len(x) - 1)
    many = len(x) >= EXACT_FROM
    known = nearest_neighbours(x, neighbours) if many else (None, None)
    with warnings.catch_warnings():
        # UMAP warns that a seed keeps it to one thread, which is what is wanted here.
        warnings.filterwarnings("ignore", message="n_jobs value")
        # And that it can place no further points with neighbours that it is given.
        warnings.filterwarnings("ignore", message="precomputed_knn")
        from umap import UMAP

        model = UMAP(
            n_neighbors=neighbours,
            min_dist=min_dist,
            metric="cosine",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(*known, None),
            verbose=True,
        )
        return model.fit_transform(x)


def pair_umap_2d(x: np.ndarray, y: np.ndarray, settings: dict, seed: int) -> pd.DataFrame:
    """UMAP of both modalities x, y (n, d) of a set together, with the columns side (a or b),
    umap_1, umap_2. Identical rows are one point. `settings` are `umap` of the config. Source:
    Figure 1(b, c)."""
    both = np.concatenate([x, y])
    first = np.concatenate([identical_rows(x), len(x) + identical_rows(y)])
    rows, point = np.unique(first, return_inverse=True)
    points = umap_2d(both[rows], **settings, seed=seed)[point]
    sides = np.repeat(["a", "b"], len(x))
    return pd.DataFrame({"side": sides, "umap_1": points[:, 0], "umap_2": points[:, 1]})


def principal_components(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The centre (d,), the components (count, d) and the shares of variance (min(n, d),) of x (n,
    d)."""
    centre = x.mean(axis=0)
    components, singular = _right_singular_vectors(x - centre, count)
    return centre, components, singular**2 / (singular**2).sum()


def pair_svd_2d(x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Both modalities x, y (n, d) of a set, projected onto the first two right singular vectors of
    all 2n rows, which are not centred. Columns: side (a or b), svd_1, svd_2. Source: Supplementary
    4."""
    both = np.concatenate([x, y])
    placed = both @ _right_singular_vectors(both, 2)[0].T
    sides = np.repeat(["a", "b"], len(x))
    return pd.DataFrame({"side": sides, "svd_1": placed[:, 0], "svd_2": placed[:, 1]})


def _right_singular_vectors(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` right singular vectors (count, d) and all singular values of x (n, d)."""
    _, singular, vectors = np.linalg.svd(x, full_matrices=False)
    vectors = vectors[:count]
    # The sign of a vector is arbitrary; a fixed one keeps the figure the same everywhere.
    signs = np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])
    return vectors * signs[:, None], singular
