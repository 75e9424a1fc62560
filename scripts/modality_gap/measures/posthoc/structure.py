"""Measures of how similarly two modalities order their items, and of the direction of the gap.

x, y: (n, d) unit vectors (float64), row i of both is one pair.
"""

import numpy as np

from modality_gap.measures.posthoc.measures import (
    GROUP,
    NEIGHBOURS,
    Each,
    Values,
    measure,
    off_diagonal,
)
from modality_gap.measures.posthoc.registry import unit
from modality_gap.measures.posthoc.tasks import shared_neighbours

LEADING = (5, 20)  # numbers of directions for the overlap of subspaces
PLATONIC = "Platonic Representation (2405.07987)"


def _chance_of_structure(n: int, d: int) -> Values:
    return {
        "mutual_knn": min(NEIGHBOURS, n - 1) / (n - 1),
        "cka_unbiased": 0.0,
        "cka_rbf_unbiased": 0.0,
        "kendall_distance": 0.5,
    }


def centred_kernel(kernel: np.ndarray) -> np.ndarray:
    """The centred kernel H K H of a kernel K (n, n), where H = I - 1/n."""
    rows = kernel.mean(axis=0)
    return kernel - rows - rows[:, None] + kernel.mean()


def hsic_unbiased(k: np.ndarray, m: np.ndarray) -> float:
    """The unbiased estimate of the Hilbert-Schmidt independence criterion of two kernels (n, n),
    for n > 3. Source: Song et al., 2012. A constant in all values off the diagonal changes nothing,
    so their mean is subtracted first; otherwise, kernels that are nearly constant would lose
    digits."""
    n = len(k)
    k, m = (one - off_diagonal(one).mean() for one in (k, m))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    cross = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2))
    return float((cross - 2 / (n - 2) * (k.sum(axis=0) @ m.sum(axis=0))) / (n * (n - 3)))


def cka(k: np.ndarray, m: np.ndarray) -> tuple[float, float]:
    """Two estimates of the centred kernel alignment of two kernels (n, n): the biased one, then the
    unbiased one."""
    of_k, of_m = centred_kernel(k), centred_kernel(m)
    biased = (of_k * of_m).sum() / np.sqrt((of_k**2).sum() * (of_m**2).sum())
    own = hsic_unbiased(k, k) * hsic_unbiased(m, m)
    return float(biased), hsic_unbiased(k, m) / float(np.sqrt(own))


def cka_by_chance(k: np.ndarray, m: np.ndarray) -> float:
    """The mean biased alignment of two kernels (n, n) if the pairs are in random order: tr K' tr M'
    / ((n - 1) |K'| |M'|), where K' and M' are the centred kernels. It is far from 0 if n is
    small."""
    of_k, of_m = centred_kernel(k), centred_kernel(m)
    lengths = np.linalg.norm(of_k) * np.linalg.norm(of_m)
    return float(np.trace(of_k) * np.trace(of_m) / ((len(k) - 1) * lengths))


def _chance_of_kernels(x: np.ndarray, y: np.ndarray) -> Values:
    return {
        "cka": cka_by_chance(x @ x.T, y @ y.T),
        "cka_rbf": cka_by_chance(rbf_kernel(x), rbf_kernel(y)),
    }


def rbf_kernel(rows: np.ndarray) -> np.ndarray:
    """exp(-|x_i - x_j|^2 / (2 s^2)) of every two rows, where s^2 is half the median squared
    distance of different rows."""
    squares = np.maximum(0, 2 - 2 * rows @ rows.T)
    median = np.median(squares[np.triu_indices(len(rows), 1)])
    return np.exp(-squares / median)


def kendall_distances(k: np.ndarray, m: np.ndarray) -> np.ndarray:
    """(1 - tau) / 2 for each item, (n,). tau is the Kendall correlation between the item's cosines
    to all others in one modality and in the other. It is computed from similarities, not from
    orders."""
    from scipy import stats

    n = len(k)
    others = ~np.eye(n, dtype=bool)
    taus = [stats.kendalltau(k[i, others[i]], m[i, others[i]]).statistic for i in range(n)]
    return (1 - np.array(taus)) / 2


@measure("structure", "structure shared", PLATONIC, _chance_of_structure, _chance_of_kernels)
def structure(x: np.ndarray, y: np.ndarray) -> Each:
    """How similarly two modalities order their items, for n > 3: the share of the 10 nearest
    neighbours that an item has in both modalities; linear and RBF centred kernel alignment; and
    Kendall distance."""
    own_x, own_y = x @ x.T, y @ y.T
    biased, unbiased = cka(own_x, own_y)
    rbf, rbf_unbiased = cka(rbf_kernel(x), rbf_kernel(y))
    return {
        "mutual_knn": shared_neighbours(own_x, own_y),
        "cka": biased,
        "cka_unbiased": unbiased,
        "cka_rbf": rbf,
        "cka_rbf_unbiased": rbf_unbiased,
        "kendall_distance": kendall_distances(own_x, own_y),
    }


@measure("gap_direction", "direction of the gap", "C3 (2401.08567)", smooth=True)
def gap_direction(x: np.ndarray, y: np.ndarray) -> Values:
    """The measures of C3. In groups of 100 pairs in file order: the mean length of the gap, and the
    mean cosine between the gaps of successive groups. For the cosine of x_{i+1} - x_i with the gap:
    mean and standard deviation. For a coordinate of (x - y) minus its mean: the standard deviation.
    One measure is added: the variance along the gap relative to an average direction. It is needed
    because the mean cosine with the gap is 0 by chance for any order."""
    difference = x - y
    mean = difference.mean(axis=0)
    direction = unit(mean)
    starts = range(0, max(1, len(x) - GROUP + 1), GROUP)
    groups = np.stack([difference[start : start + GROUP].mean(axis=0) for start in starts])
    values = {
        "group_gap": float(np.linalg.norm(groups, axis=1).mean()),
        "residual_sd": float((difference - mean).std()),
    }
    if len(groups) > 1:
        turns = (unit(groups[1:]) * unit(groups[:-1])).sum(axis=1)
        values["group_cosine"] = float(turns.mean())
    for name, rows in (("x", x), ("y", y)):
        steps = unit(np.diff(rows, axis=0)) @ direction
        of = rows - rows.mean(axis=0)
        values |= {
            f"orthogonality_{name}": float(steps.mean()),
            f"orthogonality_sd_{name}": float(steps.std()),
            f"variance_along_{name}": float(
                ((of @ direction) ** 2).mean() / ((of**2).sum() / of.size)
            ),
        }
    return values


@measure("gap_in_span", "gap within the leading directions", "C3 (2401.08567), ours")
def gap_in_span(x: np.ndarray, y: np.ndarray) -> Values:
    """For each modality, the share of the gap's direction that is in the leading directions that
    hold 90 % and 99 % of the variance."""
    direction = unit((x - y).mean(axis=0))
    values: dict[str, float] = {}
    for name, rows in (("x", x), ("y", y)):
        _, singular, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        held = np.cumsum(singular**2) / (singular**2).sum()
        for share in (90, 99):
            k = int(np.searchsorted(held, share / 100) + 1)
            values[f"in_span{share}_{name}"] = float(((directions[:k] @ direction) ** 2).sum())
    return values


@measure("volume", "volume", "GRAM (2412.11959)")
def volume(x: np.ndarray, y: np.ndarray) -> Each:
    """The mean volume sqrt(1 - cos^2) that the two vectors of a pair span."""
    cosines = (x * y).sum(axis=1)
    return {"volume": np.sqrt(np.maximum(0, 1 - cosines**2))}


@measure("relative_alignment", "relative alignment", "m2-mix (2203.03897)")
def relative_alignment(x: np.ndarray, y: np.ndarray) -> Each:
    """For each direction, the mean over pairs of the squared distance of partners minus the squared
    distance to the nearest other item."""
    squares = 2 - 2 * x @ y.T
    own = np.diagonal(squares).copy()
    others = squares.copy()
    np.fill_diagonal(others, np.inf)
    return {
        "relative_alignment_xy": own - others.min(axis=1),
        "relative_alignment_yx": own - others.min(axis=0),
    }


def _leading(n: int, d: int) -> list[int]:
    """The numbers of directions in LEADING that n vectors of d dimensions have, with directions
    left over."""
    return [k for k in LEADING if k < min(n - 1, d)]


@measure(
    "leading_subspaces",
    "overlap of the leading subspaces",
    "ours",
    lambda n, d: {f"subspace_overlap{k}": k / d for k in _leading(n, d)},
)
def leading_subspaces(x: np.ndarray, y: np.ndarray) -> Values:
    """The mean squared cosine of the principal angles between two subspaces: the k leading
    directions of each centred modality. It is 1 for the same subspace and k / d by chance."""
    directions = [
        np.linalg.svd(side - side.mean(axis=0), full_matrices=False)[2] for side in (x, y)
    ]
    return {
        f"subspace_overlap{k}": float(((directions[0][:k] @ directions[1][:k].T) ** 2).sum() / k)
        for k in _leading(*x.shape)
    }


@measure(
    "least_squares",
    "separability by least squares",
    "I0T (2412.14384)",
    lambda n, d: {"least_squares_separability": 0.75},
)
def least_squares(x: np.ndarray, y: np.ndarray) -> Values:
    """1 minus the mean squared error of a linear regression, with intercept, that predicts the
    modality (0 or 1). It is fitted on the first half of the pairs and scored on the second. With
    fewer vectors than dimensions, the shortest solution is used. A constant 1/2 gives .75."""
    n = len(x)
    fits, of = np.tile(np.arange(n) < n // 2, 2), np.repeat([0.0, 1.0], n)
    rows = np.concatenate([x, y])
    mean = rows[fits].mean(axis=0)
    weights = np.linalg.lstsq(rows[fits] - mean, of[fits] - 0.5, rcond=None)[0]
    errors = of[~fits] - 0.5 - (rows[~fits] - mean) @ weights
    return {"least_squares_separability": float(1 - (errors**2).mean())}
