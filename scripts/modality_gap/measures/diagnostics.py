"""Measures of two modalities in one space, other than the L2 gap, with intervals.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair.

A resample of the pairs, or of clusters of pairs, is a row of weights W (B, C). A weight says how
often the resample draws a cluster. A mean over pairs is then W @ sums over W @ sizes, and a mean
over two different items is a quadratic form of W. An item that was drawn twice is compared neither
with itself nor with its own cluster's copies. Such comparisons would make every resample look
narrower.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from modality_gap.errors import InputError
from modality_gap.measures.gap import relative_gap
from modality_gap.measures.intervals import bootstrap_interval, count_clusters, sums_by
from modality_gap.measures.retrieval import times_in_cluster

LEAST = 6  # least units of a bootstrap: with fewer, resamples too often repeat one unit


def pair_potential(x: np.ndarray) -> np.ndarray:
    """exp(-2 |x_i - x_j|^2) of every two rows, (n, n), with 0 on the diagonal. Takes 8 n^2
    bytes."""
    potential = np.exp(4 * (x @ x.T) - 4)  # of unit vectors
    np.fill_diagonal(potential, 0)
    return potential


@dataclass(frozen=True)
class Means:
    """The means of B resamples: the squared distance of partners (B,); and for each modality, the
    cosine of two different items (2, B) and the log of their mean pair potential (2, B)."""

    squared_distance: np.ndarray
    cosines: np.ndarray
    log_potentials: np.ndarray


# Every quantity with a bootstrap interval. Alignment and uniformity: Wang and Isola, 2020.
QUANTITIES: dict[str, Callable[[Means], np.ndarray]] = {
    "rmg": lambda means: relative_gap(means.squared_distance / 2, means.cosines.mean(axis=0)),
    "alignment": lambda means: means.squared_distance,
    "uniformity_a": lambda means: means.log_potentials[0],
    "uniformity_b": lambda means: means.log_potentials[1],
}


def diagnostics(
    x: np.ndarray, y: np.ndarray, clusters: np.ndarray | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that turns weights (B, C) of the clusters into the values (q, B) of
    QUANTITIES. If there are no clusters, the weights are those of the pairs."""
    codes = np.arange(len(x)) if clusters is None else clusters
    count = int(codes.max()) + 1
    sizes = np.bincount(codes).astype(np.float64)
    distances = np.bincount(codes, ((x - y) ** 2).sum(axis=1))
    # Of each side: sums of cosines of different items, within clusters and by vector sums.
    totals = [sums_by(side, codes, count) for side in (x, y)]
    lengths = [(total**2).sum(axis=1) for total in totals]
    # Rows of a cluster that are one item are not two different ones.
    same = [times_in_cluster(side, clusters) for side in (x, y)]
    repeats = [np.bincount(codes, counts) for counts in same]
    inner = [
        length - np.bincount(codes, (side**2).sum(axis=1) * counts)
        for length, side, counts in zip(lengths, (x, y), same, strict=True)
    ]
    potentials = []
    for side, counts in zip((x, y), same, strict=True):
        potential = pair_potential(side)
        # For a row and itself it is already 0; for two rows of the same item it is exp(0) = 1.
        np.fill_diagonal(potential, 1 - counts)
        if clusters is not None:
            potential = sums_by(sums_by(potential, codes, count).T, codes, count)
        potentials.append(potential)

    def values(weights: np.ndarray) -> np.ndarray:
        squares = weights**2

        def of_different(everything: np.ndarray, own: np.ndarray, inside: np.ndarray) -> np.ndarray:
            """The sum over pairs of different items. It is the sum over all pairs, minus the sum
            over the pairs of a cluster with its copies."""
            return everything - squares @ own + weights @ inside

        drawn = weights @ sizes
        pairs = [of_different(drawn**2, sizes**2, sizes**2 - repeat) for repeat in repeats]
        cosines = [
            of_different(((weights @ total) ** 2).sum(axis=1), length, inside) / count
            for total, length, inside, count in zip(totals, lengths, inner, pairs, strict=True)
        ]
        potentials_of_pairs = []
        for potential, count in zip(potentials, pairs, strict=True):
            own = np.diagonal(potential)
            everything = ((weights @ potential) * weights).sum(axis=1)
            potentials_of_pairs.append(np.log(of_different(everything, own, own) / count))
        means = Means(weights @ distances / drawn, np.stack(cosines), np.stack(potentials_of_pairs))
        return np.stack([quantity(means) for quantity in QUANTITIES.values()])

    return values


def effective_dimension(x: np.ndarray, share: float = 0.99) -> int:
    """The least number of principal components (of the centred rows of x) that hold `share` of the
    variance. It is at most n - 1 for n rows, so sets with different n cannot be compared."""
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    # Rounding must not let the last, empty components count where one holds everything.
    return int(np.searchsorted(np.cumsum(variances), share * variances.sum()) + 1)


def resampled(
    x: np.ndarray,
    y: np.ndarray,
    resamples: int,
    confidence: float,
    seed: int,
    clusters: np.ndarray | None = None,
) -> dict:
    """Every quantity of QUANTITIES with its bootstrap interval. The computation takes 16 n^2 bytes.

    Raises InputError if there are fewer pairs or clusters than a bootstrap needs.
    """
    values = diagnostics(x, y, clusters)
    count = count_clusters(len(x), clusters)
    if count < LEAST:
        what = "pairs" if clusters is None else "clusters of pairs"
        raise InputError(
            f"the intervals of diagnostics.csv need {LEAST} {what}, but the set has only {count}. "
            "Give more, or leave the set out."
        )
    estimates = values(np.ones((1, count)))[:, 0]
    low, high = bootstrap_interval(values, count, resamples, confidence, seed)
    row: dict = {}
    for name, *numbers in zip(QUANTITIES, estimates, low, high, strict=True):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))
    return row


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """diagnostics.csv with the rank of each set by gap and by relative gap. The widest gap has rank
    1. Equal sets share the better rank."""
    return table.assign(
        **{
            f"{quantity}_rank": table[quantity].rank(ascending=False, method="min").astype(int)
            for quantity in ("gap", "rmg")
        }
    )
