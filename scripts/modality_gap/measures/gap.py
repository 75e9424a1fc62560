"""The modality gap and the measures shown with it (paper, section 4.2 and Figure 1).

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair. They are
arrays, or StoredVectors, which hold one tile in memory at a time. Intervals are in
gap_intervals.py.
"""

import numpy as np

from modality_gap.data.tiles import tiles

NO_GAP = 1e-12  # smaller distances between centres of unit vectors are rounding errors


def mean_vector(x: np.ndarray) -> np.ndarray:
    """The centre of x, (d,)."""
    return sum(rows.sum(axis=0) for (rows,) in tiles(x)) / len(x)


def gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gap vector (d,): the difference of the two modalities' centres. Source: section 4.2."""
    return mean_vector(x) - mean_vector(y)


def gap(x: np.ndarray, y: np.ndarray) -> float:
    """The gap: the Euclidean norm of the gap vector. A norm that is only rounding error is returned
    as 0. Source: section 4.2."""
    length = float(np.linalg.norm(gap_vector(x, y)))
    return length if length > NO_GAP else 0.0


def total_and_squares(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the rows (d,), and the squared length of each row (n,)."""
    parts = [(rows.sum(axis=0), (rows * rows).sum(axis=1)) for (rows,) in tiles(x)]
    totals, squares = zip(*parts, strict=True)
    return sum(totals), np.concatenate(squares)


def mean_cosine(x: np.ndarray, same: np.ndarray | None = None) -> float:
    """The mean cosine over all pairs of different rows, computed from the sum of vectors in O(n d).
    `same` (n,) says for each row how many rows are the same item. If it is given, the mean is over
    pairs of different items."""
    n = len(x)
    total, squares = total_and_squares(x)
    if same is None:
        return float((total @ total - squares.sum()) / (n * (n - 1)))
    return float((total @ total - squares @ same) / (n * n - same.sum()))


def relative_gap(partners: np.ndarray | float, within: np.ndarray | float) -> np.ndarray:
    """The relative modality gap D / (W + D). D, given as `partners`, is the mean cosine distance of
    partners. W is the mean cosine distance of two different items of a modality, averaged over
    both; `within` is the mean cosine 1 - W. The relative gap is 1 if each modality is a single
    point and the two points differ, and 0 if partners coincide, whatever their spread. Source:
    Schrodi et al., 2024."""
    partners = np.asarray(partners, dtype=np.float64)
    whole = 1 - within + partners
    return np.divide(partners, whole, out=np.zeros_like(whole), where=partners > 0)


def largest_share(vector: np.ndarray, dimensions: int = 5) -> float:
    """The share of a vector's squared length that is in its largest coordinates."""
    squares = np.sort(vector**2)[::-1]
    return float(squares[:dimensions].sum() / squares.sum())
