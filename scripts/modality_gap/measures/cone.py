"""The cone effect (paper, section 2 and Figure 2)."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from modality_gap.data.tiles import TILE, tiles
from modality_gap.measures import on_gpu
from modality_gap.measures.gap import mean_cosine, mean_vector
from modality_gap.measures.gap_intervals import mean_cosine_interval
from modality_gap.measures.intervals import count_clusters


@dataclass(frozen=True)
class CosineDistribution:
    """Exact summary of all n(n-1) cosines between different rows.

    `counts` are the numbers of cosines in the bins between `edges`. Every ordered pair counts.
    """

    n: int
    mean: float
    minimum: float
    maximum: float
    counts: np.ndarray
    edges: np.ndarray

    def in_bins(self, bins: int) -> "CosineDistribution":
        """The same distribution with its bins joined into `bins` wider ones."""
        counts = self.counts.reshape(bins, -1).sum(axis=1)
        return replace(self, counts=counts, edges=np.linspace(-1, 1, bins + 1))


# Rows whose cosines with as many others are in memory at once, in each thread: 8 MB, which the
# system hands out again and again; from 32 MB on it clears new pages each time.
SQUARE = 1024
AT_ONCE = 1 << 15  # cosines that are counted at once, so that they stay in a core's cache
NEAR_AN_EDGE = 1e-9  # in bins; rounding is far smaller


def cosine_distribution(
    x: np.ndarray, bins: int, square: int = SQUARE, threads: int = 1
) -> CosineDistribution:
    """The distribution of the cosines of unit vectors x (n, d), computed block by block in bounded
    memory.

    The mean is exact, because it is computed from the sum of vectors. The histogram, minimum and
    maximum come from every pair, in the precision of x. Source: Figure 2(a).
    """
    edges = np.linspace(-1, 1, bins + 1)
    counts = np.zeros(bins, dtype=np.int64)
    minimum, maximum = np.inf, -np.inf
    device = on_gpu.device_for(len(x) * (len(x) - 1) // 2)
    if device:
        square, threads = on_gpu.SIDE, 1

    def work(sides: tuple[np.ndarray, np.ndarray, bool]) -> tuple | None:
        if device:
            return on_gpu.count_block(*sides, edges, device)
        cosines = _cosines_of_square(*sides)
        if cosines.size:
            return count_in_bins(cosines, edges), float(cosines.min()), float(cosines.max())
        return None

    # BLAS's own threads would wait for one another while these are at work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for at_hand in _squares(x, square):
            for of_square in filter(None, pool.map(work, at_hand)):
                counts += 2 * of_square[0]
                minimum, maximum = min(minimum, of_square[1]), max(maximum, of_square[2])
    return CosineDistribution(len(x), mean_cosine(x), minimum, maximum, counts, edges)


def count_in_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """`np.histogram(values, edges)[0]` for values within evenly spaced edges, several times faster.
    A multiplication gives the bin. Only values within rounding of an edge are searched for."""
    bins, counts = len(edges) - 1, np.zeros(len(edges) - 1, dtype=np.int64)
    values = values.ravel()
    for start in range(0, len(values), AT_ONCE):
        some = values[start : start + AT_ONCE]
        places = (some - edges[0]) * (bins / (edges[-1] - edges[0]))
        numbers = places.astype(np.intp)
        near = np.flatnonzero(np.abs(places - np.rint(places)) < NEAR_AN_EDGE)
        numbers[near] = np.searchsorted(edges, some[near], side="right") - 1
        np.minimum(numbers, bins - 1, out=numbers)  # the last bin holds its upper edge too
        counts += np.bincount(numbers, minlength=bins)
    return counts


QUANTILE_BINS = 20_000  # over cosines from -1 to 1, at least


def fine_bins(bins: int) -> int:
    """Number of fine bins for quantiles: a multiple of `bins`."""
    return bins * math.ceil(QUANTILE_BINS / bins)


def cosine_quantiles(distribution: CosineDistribution, shares: np.ndarray) -> np.ndarray:
    """The quantiles at `shares` of all cosines, from a distribution in many bins.

    A quantile is interpolated linearly within its bin. So its error is at most the width of a bin,
    1e-4 with QUANTILE_BINS. Source: Supplementary 6.
    """
    counts, edges = distribution.counts, distribution.edges
    filled = counts > 0
    reached = np.cumsum(counts)[filled] / counts.sum()
    before = np.concatenate([[0], reached[:-1]])
    bins = np.minimum(np.searchsorted(reached, shares), len(reached) - 1)
    within = (np.asarray(shares) - before[bins]) / (reached[bins] - before[bins])
    return edges[:-1][filled][bins] + within * (edges[1] - edges[0])


def sd_cosine(x: np.ndarray) -> float:
    """The standard deviation of the cosines of all n(n-1) ordered pairs of different unit vectors
    of x (n, d). It is exact and takes O(n d^2). Source: Supplementary 6.

    Let m be the centre, w = x - m and a = w.m. A cosine is then m.m + a_i + a_j + w_i.w_j. The
    squares of its varying part add up to sums over items and |w^T w|^2 (Frobenius). The squares of
    whole cosines would leave only rounding errors if all cosines are nearly equal.
    """
    n, centre = len(x), mean_vector(x)
    product, squares, cross, lengths, fourth = np.zeros((x.shape[1],) * 2), 0.0, 0.0, 0.0, 0.0
    for (rows,) in tiles(x):
        rows = rows - centre
        along, length = rows @ centre, np.einsum("ij,ij->i", rows, rows)
        product += rows.T @ rows
        squares += (along**2).sum()
        cross += (along * length).sum()
        lengths += length.sum()
        fourth += (length**2).sum()
    pairs = n * (n - 1)
    total = 2 * (n - 2) * squares - 4 * cross + (product**2).sum() - fourth
    return float(np.sqrt(max(0.0, total / pairs - (lengths / pairs) ** 2)))


def _squares(x: np.ndarray, square: int) -> Iterator[list]:
    """Blocks of the upper triangle of the cosine matrix of x (n, d), each as (rows, columns,
    is_diagonal). They are grouped so that each group needs only two tiles of x in memory."""
    for start in range(0, len(x), TILE):
        tile = x[start : start + TILE]
        for other in range(start, len(x), TILE):
            beside = tile if other == start else x[other : other + TILE]
            yield [
                (tile[i : i + square], beside[j : j + square], start + i == other + j)
                for i in range(0, len(tile), square)
                for j in range(i if other == start else 0, len(beside), square)
            ]


def _cosines_of_square(rows: np.ndarray, others: np.ndarray, same: bool) -> np.ndarray:
    """The cosines of unit vectors (m, d) with others (k, d). If both are the same vectors, each
    pair occurs once."""
    cosines = rows @ others.T
    if same:
        cosines = cosines[np.triu_indices(len(cosines), k=1)]
    # Rounding may carry the cosine of two equal vectors just past 1.
    return np.clip(cosines, -1, 1, out=cosines)


def panels(trained: Any, random: Any) -> dict[tuple[str, str], Any]:
    """The three settings of Figure 2(a), by weights and inputs. They come from the StoredVectors of
    one encoder with trained weights and with random weights.

    `random` has the label noise. Only the items of `trained` that are also in `random` are used.
    """
    noise = random.label("noise").astype(bool)
    real = np.isin(trained.item_hashes, random.item_hashes[~noise])
    return {
        ("trained", "real"): trained.select(real),
        ("random", "real"): random.select(~noise),
        ("random", "noise"): random.select(noise),
    }


def measure_panel(
    x: np.ndarray,
    bins: int,
    confidence: float,
    threads: int = 1,
    clusters: np.ndarray | None = None,
    rows: slice | np.ndarray = slice(None),
) -> tuple[dict, pd.DataFrame]:
    """One setting of Figure 2(a), for unit vectors x (n, d): its row of cone.csv and its part of
    cone_histogram.csv (cosine_low, cosine_high, pairs). The row has the mean cosine with its
    interval, and the range, deviation and quartiles of the cosines. Range, quartiles and histogram
    come from the cosines of `rows`, which are computed once for all three."""
    every = isinstance(rows, slice)
    fine = cosine_distribution(x if every else x[rows], fine_bins(bins), threads=threads)
    cosines = fine.in_bins(bins)
    low, high = mean_cosine_interval(x, confidence, clusters)
    quartiles = cosine_quantiles(fine, np.array([0.25, 0.5, 0.75]))
    row = {
        "n": len(x),
        "clusters": count_clusters(len(x), clusters),
        "compared_n": cosines.n,
        "mean_cosine": cosines.mean if every else mean_cosine(x),
        "mean_cosine_low": low,
        "mean_cosine_high": high,
        "min_cosine": cosines.minimum,
        "max_cosine": cosines.maximum,
        "sd_cosine": sd_cosine(x),
        **dict(zip(("q1_cosine", "median_cosine", "q3_cosine"), quartiles, strict=True)),
    }
    edges = {"cosine_low": cosines.edges[:-1], "cosine_high": cosines.edges[1:]}
    return row, pd.DataFrame({**edges, "pairs": cosines.counts})


def principal_singular_values(x: np.ndarray, count: int) -> np.ndarray:
    """The largest `count` singular values of the centred rows of x (n, d).

    It takes k-1 components to tell k separate cones apart. So with 25 initialisations, there is a
    drop from singular value 24 to singular value 25. Source: Figure 2(c).
    """
    return np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[:count]


def between_share(x: np.ndarray, groups: np.ndarray) -> float:
    """The share of the variance of x (n, d) that is between the centres of groups instead of within
    groups."""
    centred = x - x.mean(axis=0)
    total = (centred**2).sum()
    between = sum(
        (groups == group).sum() * (centred[groups == group].mean(axis=0) ** 2).sum()
        for group in np.unique(groups)
    )
    return float(between / total)
