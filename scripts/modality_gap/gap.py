"""The modality gap and what is measured beside it (paper, section 2 and Figure 1).

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair; arrays, or
StoredVectors, of which a tile is in memory at a time.
"""

import numpy as np
from scipy import stats

from modality_gap.tiles import TILE, tiles


def mean_vector(x: np.ndarray) -> np.ndarray:
    """The centre of x, (d,)."""
    return sum(rows.sum(axis=0) for (rows,) in tiles(x)) / len(x)


def gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Difference of the two modalities' centres, (d,). Source: section 2."""
    return mean_vector(x) - mean_vector(y)


def gap(x: np.ndarray, y: np.ndarray) -> float:
    """Euclidean norm of the gap vector. Source: section 2."""
    return float(np.linalg.norm(gap_vector(x, y)))


def gap_interval(x: np.ndarray, y: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the gap over pairs, by the jackknife (closed form, no resampling)."""
    n = len(x)
    total = n * gap_vector(x, y)
    without_one = np.concatenate(
        [np.linalg.norm((total - (of_x - of_y)) / (n - 1), axis=1) for of_x, of_y in tiles(x, y)]
    )
    return _jackknife(np.linalg.norm(total / n), without_one, confidence)


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


def mean_cosine_interval(x: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the mean cosine over items, by the jackknife."""
    n = len(x)
    total, squares = _total_and_squares(x)
    along = np.concatenate([rows @ total for (rows,) in tiles(x)])
    rest = total @ total - 2 * along + squares  # |sum without row i|^2
    without_one = (rest - (squares.sum() - squares)) / ((n - 1) * (n - 2))
    mean = (total @ total - squares.sum()) / (n * (n - 1))
    return _jackknife(mean, without_one, confidence)


def _jackknife(estimate: float, without_one: np.ndarray, confidence: float) -> tuple[float, float]:
    n = len(without_one)
    error = np.sqrt((n - 1) / n * ((without_one - without_one.mean()) ** 2).sum())
    margin = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    return float(estimate - margin), float(estimate + margin)


def proportion_interval(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share."""
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


TIE = 1e-12  # cosines closer than this are equal: rounding is smaller


def partner_ranks(
    x: np.ndarray, y: np.ndarray, tile: int = TILE, width: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """How many rows of y are nearer to each row of x, by cosine, than its own partner, and the
    other way round: two (n,) of integers. No more than `tile` x `width` cosines are in memory.

    Rows as near as the partner count where they stand before it, so that identical vectors do not
    all count as found.
    """
    own = np.concatenate([(of_x * of_y).sum(axis=1) for of_x, of_y in tiles(x, y)])
    ranks_x, ranks_y = np.zeros((2, len(x)), dtype=np.int64)
    rows = np.arange(len(x))
    for i, own_x, of_x in tiles(rows, own, x, size=tile):
        for j, own_y, of_y in tiles(rows, own, y, size=width):
            cosines = of_x @ of_y.T
            ranks_x[i] += np.count_nonzero(cosines > own_x[:, None] + _slack(i[:, None], j), axis=1)
            ranks_y[j] += np.count_nonzero(cosines > own_y + _slack(j, i[:, None]), axis=0)
    return ranks_x, ranks_y


def _slack(own: np.ndarray, other: np.ndarray) -> np.ndarray | float:
    """By how much a cosine must exceed a partner's to count: more than rounding where the row
    `other` stands behind the partner's or is its own, no more than rounding where before."""
    if own.max() <= other.min():
        return TIE
    if own.min() > other.max():
        return -TIE
    return np.where(own <= other, TIE, -TIE)


def recall_at(x: np.ndarray, y: np.ndarray, k: int, tile: int = TILE) -> tuple[float, float]:
    """Share of rows of x whose own partner is among the k nearest rows of y, by cosine, and the
    other way round."""
    to_y, to_x = (int((ranks < k).sum()) / len(x) for ranks in partner_ranks(x, y, tile))
    return to_y, to_x


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
