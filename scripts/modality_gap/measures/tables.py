"""Rows of tables about whole sets: gap.csv, diagnostics.csv, and two comparisons of encoders.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair. They are
arrays, or StoredVectors, which hold one tile in memory at a time. `clusters` (n,), numbered from 0
to C - 1, says which pairs belong together and are not independent; None if all are independent.
"""

import sys

import numpy as np

from modality_gap.data.tiles import chosen, sample_rows, tiles
from modality_gap.measures.cone import cosine_distribution
from modality_gap.measures.gap import mean_cosine
from modality_gap.measures.gap_intervals import mean_cosine_interval, measure_gap
from modality_gap.measures.intervals import count_clusters
from modality_gap.measures.registry import DIAGNOSTICS, GAP, Pairs, measured
from modality_gap.measures.separability import measure_separability


def measure_set(pairs: Pairs) -> dict:
    """A row of gap.csv: every measure of one set. Source: Figure 1.

    _a and _b are the first and the second modality. recallK_ab is the share of items of the first
    modality that have a partner among the K nearest items of the second
    (`retrieval.measure_recall`). largest5_share is empty if there is no gap.
    """
    return _size(pairs) | measured(GAP, pairs)


def measure_diagnostics(pairs: Pairs) -> dict:
    """A row of diagnostics.csv: measures other than the gap. Resampled measures have intervals."""
    return _size(pairs) | measured(DIAGNOSTICS, pairs)


def _size(pairs: Pairs) -> dict:
    n, dim = pairs.x.shape
    n = pairs.sums.n if pairs.sums else n
    return {"n": n, "clusters": count_clusters(n, pairs.clusters), "dim": dim}


def say_repeated(row: dict) -> None:
    """Print to stderr if a side has identical vectors. `row` is the set's row of gap.csv."""
    items, n = (row["recall_items_a"], row["recall_items_b"]), row["compared_n"]
    if min(items) < n:
        print(
            f"identical vectors count as one item of retrieval: {items[0]:,} of {n:,} on "
            f"the first side, {items[1]:,} on the second; any partner of an item counts",
            file=sys.stderr,
        )


def measure_normalisation(
    spec: dict,
    x: np.ndarray,
    y: np.ndarray,
    confidence: float,
    sample: int,
    seed: int,
    clusters: np.ndarray | None = None,
) -> dict:
    """A row of normalisation.csv, for the encoder whose entry in the config is `spec`: which
    normalisations are on, the gap, the mean cosines, and the separability of a sample. Source:
    Supplementary 15."""
    row = {
        "norm_layers": spec.get("norm_layers", True),
        "input_normalisation": spec.get("input_normalisation", True),
        "n": len(x),
        "clusters": count_clusters(len(x), clusters),
        **measure_gap(x, y, confidence, clusters),
    }
    for side, vectors in {"a": x, "b": y}.items():
        low, high = mean_cosine_interval(vectors, confidence, clusters)
        row |= {
            f"mean_cosine_{side}": mean_cosine(vectors),
            f"mean_cosine_{side}_low": low,
            f"mean_cosine_{side}_high": high,
        }
    some = sample_rows(len(x), sample, seed)
    part = chosen(clusters, some)
    return row | measure_separability(x[some], y[some], confidence, seed, part)


def measure_preprocessing(
    spec: dict,
    x: np.ndarray,
    y: np.ndarray,
    first: np.ndarray,
    confidence: float,
    threads: int = 1,
    clusters: np.ndarray | None = None,
) -> dict:
    """A row of preprocessing.csv, for the encoder whose configuration is `spec`. x and y are the
    embeddings of its pictures and texts. `first` (n, d) holds the embeddings of the same pictures
    by the first encoder that is compared. The row has the cone of x, the gap between x and y, and
    the cosine between x and `first`, averaged over the pictures. Source: Figure 2(a)."""
    cosines = cosine_distribution(x, bins=1, threads=threads)
    low, high = mean_cosine_interval(x, confidence, clusters)
    return {
        "statistics": spec.get("preprocessing", "own"),
        "n": len(x),
        "clusters": count_clusters(len(x), clusters),
        "mean_cosine": cosines.mean,
        "mean_cosine_low": low,
        "mean_cosine_high": high,
        "min_cosine": cosines.minimum,
        **measure_gap(x, y, confidence, clusters),
        "same_picture_cosine": float(sum((a * b).sum() for a, b in tiles(x, first)) / len(x)),
    }
