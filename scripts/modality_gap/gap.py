"""The modality gap and what is measured beside it (paper, section 2 and Figure 1).

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair.
"""

import numpy as np
from scipy import stats


def gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Difference of the two modalities' centres, (d,). Source: section 2."""
    return x.mean(axis=0) - y.mean(axis=0)


def gap(x: np.ndarray, y: np.ndarray) -> float:
    """Euclidean norm of the gap vector. Source: section 2."""
    return float(np.linalg.norm(gap_vector(x, y)))


def gap_interval(x: np.ndarray, y: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the gap over pairs, by the jackknife (closed form, no resampling)."""
    n = len(x)
    total = x.sum(axis=0) - y.sum(axis=0)
    without_one = np.linalg.norm((total - (x - y)) / (n - 1), axis=1)
    return _jackknife(gap(x, y), without_one, confidence)


def mean_cosine(x: np.ndarray) -> float:
    """Mean cosine over all n(n-1) pairs of different rows, from the sum of vectors in O(n d)."""
    n = len(x)
    total = x.sum(axis=0)
    return float((total @ total - (x * x).sum()) / (n * (n - 1)))


def mean_cosine_interval(x: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the mean cosine over items, by the jackknife."""
    n = len(x)
    total, squares = x.sum(axis=0), (x * x).sum(axis=1)
    rest = total @ total - 2 * x @ total + squares  # |sum without row i|^2
    without_one = (rest - (squares.sum() - squares)) / ((n - 1) * (n - 2))
    return _jackknife(mean_cosine(x), without_one, confidence)


def _jackknife(estimate: float, without_one: np.ndarray, confidence: float) -> tuple[float, float]:
    n = len(without_one)
    error = np.sqrt((n - 1) / n * ((without_one - without_one.mean()) ** 2).sum())
    margin = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    return float(estimate - margin), float(estimate + margin)


def proportion_interval(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share."""
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def found_at(x: np.ndarray, y: np.ndarray, k: int, tile: int = 4096) -> np.ndarray:
    """Which rows of x (n,) have their own partner among the k nearest rows of y, by cosine.

    A partner that ties with others counts at the best of their ranks less those before it in
    file order, so that identical vectors do not all count as found.
    """
    found = np.empty(len(x), dtype=bool)
    for start in range(0, len(x), tile):
        similarity = x[start : start + tile] @ y.T
        rows = np.arange(len(similarity))
        own = similarity[rows, start + rows][:, None]
        before = np.arange(len(y)) < (start + rows)[:, None]
        rank = (similarity > own).sum(axis=1) + ((similarity == own) & before).sum(axis=1)
        found[start : start + tile] = rank < k
    return found


def recall_at(x: np.ndarray, y: np.ndarray, k: int, tile: int = 4096) -> float:
    """Share of rows of x whose own partner is among the k nearest rows of y, by cosine."""
    return int(found_at(x, y, k, tile).sum()) / len(x)


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
