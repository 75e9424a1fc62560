"""The modality gap and what is measured beside it (paper, section 4.2 and Figure 1).

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair; arrays, or
StoredVectors, of which a tile is in memory at a time. Where rows are not independent, `clusters`
(n,) says which belong together, 0 to C - 1: then an interval is over clusters, not over rows.
"""

from collections.abc import Iterable

import numpy as np

from modality_gap.intervals import check_units, jackknife_interval, t_quantile
from modality_gap.tiles import tiles

NO_GAP = 1e-12  # of two centres of unit vectors: nearer ones are apart by rounding alone


def mean_vector(x: np.ndarray) -> np.ndarray:
    """The centre of x, (d,)."""
    return sum(rows.sum(axis=0) for (rows,) in tiles(x)) / len(x)


def gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Difference of the two modalities' centres, (d,). Source: section 4.2."""
    return mean_vector(x) - mean_vector(y)


def gap(x: np.ndarray, y: np.ndarray) -> float:
    """Euclidean norm of the gap vector, 0 where it is mere rounding. Source: section 4.2."""
    length = float(np.linalg.norm(gap_vector(x, y)))
    return length if length > NO_GAP else 0.0


def gap_squared_interval(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float, float]:
    """The squared gap without its bias, which may be negative, and its interval over pairs.

    The mean g of the n differences x_i - y_i, of covariance S, is too long: |g|^2 exceeds the
    squared gap by tr S / n on average, which is taken off. What is left varies by
    4 t r / n + 2 tr S^2 / (n (n - 1)), where t is the squared gap and r the variance along the gap;
    the interval holds each t that this does not put too far from the estimate, so that it covers
    near 0 too. r is that along g, with half of the noise's share taken off where there is a gap to
    see: all of it leaves r too uncertain, and the interval too short. Where the noise hides the
    gap's direction the interval covers up to .03 more than it says.

    With `clusters` (n,), 0 to C - 1, the clusters take the place of the pairs: their sums (C, d)
    are in memory. Raises InputError for fewer than two pairs or clusters.
    """
    d = x.shape[1]
    centre = gap_vector(x, y)
    n, deviations = _deviations(x, y, centre, clusters)
    length = float(centre @ centre)
    along, trace, fourth, squares = _spread(deviations, centre, n, d)
    estimate = length - trace / n
    squared_trace = squares
    if n > 3:  # without the bias of the square of an estimate (Himeno and Yamada, 2014)
        unbiased = (n - 1) * (n - 2) * squares + trace**2 - n * fourth
        squared_trace = max(0.0, (n - 1) / (n * (n - 2) * (n - 3)) * unbiased)
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
    """How many independent units there are, and tiles of what each adds to n times the error of
    the mean difference `centre` (d,): rows (m, d) whose mean is 0."""
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
    """Of n deviations (d,) with covariance S: g'Sg of the centre g, tr S, the mean fourth power of
    their lengths (over n - 1), and tr S^2; from the smaller of the matrices (n, n) and (d, d)."""
    if n < d:
        rows = np.concatenate(list(deviations))
        deviations, gram = [rows], rows @ rows.T
    product, along, lengths = np.zeros((d, d)) if n >= d else gram, 0.0, []
    for rows in deviations:
        along += ((rows @ centre) ** 2).sum()
        lengths.append(np.einsum("ij,ij->i", rows, rows))
        if n >= d:
            product += rows.T @ rows
    lengths = np.concatenate(lengths)
    return (
        float(along / (n - 1)),
        float(lengths.sum() / (n - 1)),
        float((lengths**2).sum() / (n - 1)),
        float((product**2).sum() / (n - 1) ** 2),
    )


def gap_interval(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float]:
    """Interval of the gap over pairs, or over clusters of them: the roots of that of its square,
    from 0 on. It has no bias, so that the gap itself, which is too long where there are few pairs,
    may lie above it."""
    _, low, high = gap_squared_interval(x, y, confidence, clusters)
    return float(np.sqrt(max(0.0, low))), float(np.sqrt(max(0.0, high)))


def measure_gap(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """The gap and the squared gap without bias, each with its interval, as columns of a table."""
    squared, low, high = gap_squared_interval(x, y, confidence, clusters)
    return {
        "gap": gap(x, y),
        "gap_low": float(np.sqrt(max(0.0, low))),
        "gap_high": float(np.sqrt(max(0.0, high))),
        "gap_squared": squared,
        "gap_squared_low": low,
        "gap_squared_high": high,
    }


def _total_and_squares(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the rows (d,) and each row's squared length (n,)."""
    parts = [(rows.sum(axis=0), (rows * rows).sum(axis=1)) for (rows,) in tiles(x)]
    totals, squares = zip(*parts, strict=True)
    return sum(totals), np.concatenate(squares)


def mean_cosine(x: np.ndarray) -> float:
    """Mean cosine over all n(n-1) pairs of different rows, from the sum of vectors in O(n d)."""
    n = len(x)
    total, squares = _total_and_squares(x)
    return float((total @ total - squares.sum()) / (n * (n - 1)))


def mean_cosine_interval(
    x: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float]:
    """Interval of the mean cosine over items, or over clusters of them, by the jackknife, which
    leaves one out at a time."""
    n = len(x)
    total, squares = _total_and_squares(x)
    mean = (total @ total - squares.sum()) / (n * (n - 1))
    if clusters is None:
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
    squares_kept = squares.sum() - np.bincount(clusters, squares)
    return jackknife_interval(mean, (rest - squares_kept) / (kept * (kept - 1)), confidence)


def linear_separability(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, int]:
    """How well a line tells the modalities apart: accuracy of a logistic regression fitted on a
    random half of the pairs and scored on both vectors of the other half; and how many those are.
    """
    from sklearn.linear_model import LogisticRegression

    order = np.random.default_rng(seed).permutation(len(x))
    fit, score = order[: len(x) // 2], order[len(x) // 2 :]

    def both(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([x[rows], y[rows]]), np.repeat([0, 1], len(rows))

    model = LogisticRegression(max_iter=1000).fit(*both(fit))
    return float(model.score(*both(score))), 2 * len(score)


def largest_share(vector: np.ndarray, dimensions: int = 5) -> float:
    """Share of a vector's squared length that lies in its largest dimensions."""
    squares = np.sort(vector**2)[::-1]
    return float(squares[:dimensions].sum() / squares.sum())
