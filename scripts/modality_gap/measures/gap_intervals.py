"""Intervals of the gap and of the mean cosine.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair. They are
arrays, or StoredVectors, which hold one tile in memory at a time. If rows are not independent,
`clusters` (n,), numbered from 0 to C - 1, says which rows belong together. An interval is then over
clusters instead of rows.
"""

from collections.abc import Iterable

import numpy as np

from modality_gap.data.tiles import tiles
from modality_gap.measures.gap import NO_GAP, gap, gap_vector, total_and_squares
from modality_gap.measures.intervals import check_units, jackknife_interval, t_quantile


def gap_squared_interval(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float, float]:
    """An unbiased estimate of the squared gap, which may be negative, and its interval over pairs.

    The mean g of the n differences x_i - y_i is too long: if S is their covariance, |g|^2 exceeds
    the squared gap by tr S / n on average. The estimate is |g|^2 minus this bias. Its variance is 4
    t r / n + 2 tr S^2 / (n (n - 1)), where t is the squared gap and r the variance along the gap.
    The interval contains every t from which the estimate is not too far, given this variance. So
    its coverage is right near 0 too. r is measured along g. Where a gap is visible, half of the
    noise's share is subtracted from r. Subtracting the whole share would make r too uncertain and
    the interval too short. Where the noise hides the gap's direction, the coverage is up to .03
    above the nominal one.

    With `clusters` (n,), the clusters take the place of the pairs, and their sums (C, d) are in
    memory. Raises InputError for fewer than two pairs or clusters.
    """
    d = x.shape[1]
    centre = gap_vector(x, y)
    n, deviations = _deviations(x, y, centre, clusters)
    length = float(centre @ centre)
    along, trace, fourth, squares = _spread(deviations, centre, n, d)
    unbiased = unbiased_squares(trace, fourth, squares, n)
    return squared_interval(length, along, trace, unbiased, n, confidence)


def unbiased_squares(trace: float, fourth: float, squares: float, n: int) -> float:
    """An unbiased estimate of tr S^2, from the result of `_spread` on n deviations. The square of
    an unbiased estimate of S would itself be biased. Source: Himeno and Yamada, 2014."""
    if n <= 3:
        return squares
    unbiased = (n - 1) * (n - 2) * squares + trace**2 - n * fourth
    return max(0.0, (n - 1) / (n * (n - 2) * (n - 3)) * unbiased)


def squared_interval(
    length: float, along: float, trace: float, squared_trace: float, n: int, confidence: float
) -> tuple[float, float, float]:
    """The result of `gap_squared_interval`, from four numbers about n differences with mean g.
    `length` is the squared length of g. `along` is the variance along g times this squared length.
    `trace` is tr S, and `squared_trace` is tr S^2."""
    estimate = length - trace / n
    ratio = 0.0
    if length > NO_GAP**2:
        half = max(0.0, estimate) / length / 2
        ratio = max(0.0, along - half * squared_trace / n) / (length - half * trace / n)
    quantile = t_quantile(confidence, n)
    drift = 2 * quantile**2 * ratio / n
    spread = 4 * ratio * estimate / n + drift**2 / quantile**2
    spread += 2 * squared_trace / (n * (n - 1))
    margin = quantile * np.sqrt(max(0.0, spread))
    return estimate, float(estimate + drift - margin), float(estimate + drift + margin)


def _deviations(
    x: np.ndarray, y: np.ndarray, centre: np.ndarray, clusters: np.ndarray | None
) -> tuple[int, Iterable[np.ndarray]]:
    """The number of independent units, and the deviation of each unit: its contribution to the mean
    difference, minus the mean difference `centre` (d,). Deviations come as tiles (m, d); their mean
    is 0."""
    if clusters is None:
        check_units(len(x))
        return len(x), (of_x - of_y - centre for of_x, of_y in tiles(x, y))
    sizes = np.bincount(clusters)
    check_units(len(sizes))
    totals = np.zeros((len(sizes), x.shape[1]))
    for codes, of_x, of_y in tiles(clusters, x, y):
        np.add.at(totals, codes, of_x - of_y)
    return len(sizes), [(totals - sizes[:, None] * centre) * (len(sizes) / len(x))]


def _spread(
    deviations: Iterable[np.ndarray], centre: np.ndarray, n: int, d: int
) -> tuple[float, float, float, float]:
    """Four numbers about n deviations (d,) with covariance S: g'Sg, where g is `centre`; tr S; the
    mean fourth power of their lengths (over n - 1); and tr S^2. They are computed from the smaller
    of the matrices (n, n) and (d, d)."""
    if n < d:
        rows = np.concatenate(list(deviations))
        deviations, gram = [rows], rows @ rows.T
    product, along = np.zeros((d, d)) if n >= d else gram, 0.0
    parts = []
    for rows in deviations:
        along += ((rows @ centre) ** 2).sum()
        parts.append(np.einsum("ij,ij->i", rows, rows))
        if n >= d:
            product += rows.T @ rows
    lengths = np.concatenate(parts)
    return (
        float(along / (n - 1)),
        float(lengths.sum() / (n - 1)),
        float((lengths**2).sum() / (n - 1)),
        float((product**2).sum() / (n - 1) ** 2),
    )


def gap_interval(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float]:
    """The interval of the gap over pairs or clusters of pairs. It is the square root of the
    interval of the unbiased squared gap, and not below 0. The gap itself is biased upwards if there
    are few pairs, so it can be above this interval."""
    _, low, high = gap_squared_interval(x, y, confidence, clusters)
    return float(np.sqrt(max(0.0, low))), float(np.sqrt(max(0.0, high)))


def measure_gap(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """Columns of a table: the gap and the unbiased squared gap, each with its interval."""
    return gap_columns(gap(x, y), *gap_squared_interval(x, y, confidence, clusters))


def gap_columns(length: float, squared: float, low: float, high: float) -> dict[str, float]:
    """Columns of a table: the gap, whose length is given, and the unbiased squared gap with its
    interval."""
    return {
        "gap": length,
        "gap_low": float(np.sqrt(max(0.0, low))),
        "gap_high": float(np.sqrt(max(0.0, high))),
        "gap_squared": squared,
        "gap_squared_low": low,
        "gap_squared_high": high,
    }


def mean_cosine_interval(
    x: np.ndarray,
    confidence: float,
    clusters: np.ndarray | None = None,
    same: np.ndarray | None = None,
) -> tuple[float, float]:
    """The interval of the mean cosine over items, or over clusters of items. It is the jackknife's,
    which leaves out one item or cluster at a time. `same` (n,) is as in `gap.mean_cosine`; each
    cluster then holds all rows of its items."""
    n = len(x)
    total, squares = total_and_squares(x)
    if clusters is None:
        mean = (total @ total - squares.sum()) / (n * (n - 1))
        check_units(n)
        along = np.concatenate([rows @ total for (rows,) in tiles(x)])
        rest = total @ total - 2 * along + squares  # |sum without row i|^2
        without_one = (rest - (squares.sum() - squares)) / ((n - 1) * (n - 2))
        return jackknife_interval(mean, without_one, confidence)
    sizes = np.bincount(clusters)
    check_units(len(sizes))
    totals = np.zeros((len(sizes), x.shape[1]))
    for codes, rows in tiles(clusters, x):
        np.add.at(totals, codes, rows)
    rest = ((total - totals) ** 2).sum(axis=1)
    kept = n - sizes
    counts = np.ones(n) if same is None else same
    mean = (total @ total - squares @ counts) / (n * n - counts.sum())
    squares_kept = squares @ counts - np.bincount(clusters, squares * counts)
    counts_kept = counts.sum() - np.bincount(clusters, counts)
    return jackknife_interval(mean, (rest - squares_kept) / (kept**2 - counts_kept), confidence)
