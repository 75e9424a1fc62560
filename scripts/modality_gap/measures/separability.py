"""Linear separability of the two modalities (paper, abstract and Figure 1)."""

import numpy as np

from modality_gap.measures.intervals import share_interval


def separated(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which held-out vectors a logistic regression assigns to the right modality, (2m,), x before
    y; and the rows (m,) of these held-out pairs. The regression is fitted on a random half of the
    pairs x, y (n, d) and scored on the other half."""
    from sklearn.linear_model import LogisticRegression

    order = np.random.default_rng(seed).permutation(len(x))
    fit, score = order[: len(x) // 2], order[len(x) // 2 :]

    def both(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([x[rows], y[rows]]), np.repeat([0, 1], len(rows))

    model = LogisticRegression(max_iter=1000).fit(*both(fit))
    vectors, modality = both(score)
    return model.predict(vectors) == modality, score


def linear_separability(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The share of held-out vectors that a logistic regression assigns to the right modality, as in
    `separated`."""
    return float(separated(x, y, seed)[0].mean())


def measure_separability(
    x: np.ndarray,
    y: np.ndarray,
    confidence: float,
    seed: int,
    clusters: np.ndarray | None = None,
) -> dict:
    """Columns of a table: the linear separability with its interval, and the number of scored
    vectors. The interval is over pairs, of which both vectors are scored, or over `clusters` (n,)
    of pairs."""
    right, rows = separated(x, y, seed)
    units = np.tile(rows if clusters is None else clusters[rows], 2)
    low, high = share_interval(right, confidence, units)
    return {
        "separability": float(right.mean()),
        "separability_low": low,
        "separability_high": high,
        "separability_n": len(right),
    }
