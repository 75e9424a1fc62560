"""Measures of two modalities from follow-up papers. Some also have their value by chance.

To add a measure, write a function of x and y that returns its values by name, decorate it with
`measure` and test it. x, y: (n, d) unit vectors (float64), row i of both is one pair. n x n
matrices are held in memory, so x and y are a sample if a set is large.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from modality_gap.measures.gap import mean_cosine, relative_gap
from modality_gap.measures.posthoc.ranks import partner_ranks
from modality_gap.measures.posthoc.registry import unit
from modality_gap.measures.posthoc.tasks import separability_of_halves

Values = Mapping[str, float]
Each = Mapping[str, float | np.ndarray]  # one number per pair, for a measure that is a mean
FEW = (1, 2, 5, 10, 20)  # numbers of the gap's largest coordinates
NEIGHBOURS = 10
GROUP = 100  # pairs per group in C3, in file order


@dataclass(frozen=True)
class FollowUpMeasure:
    """A measure: `of(x, y)` returns its values by name. A value is a number, or an array with one
    entry per pair (n,) or per vector (2n,), whose mean counts. If the mean is a share, the entries
    are truth values. `chance(n, d)` says what some values are for unrelated or random vectors.
    `chance_of(x, y)` says what they are for these vectors in random pairs. A `smooth` measure is a
    function of means, so leaving out groups of pairs gives an interval."""

    name: str
    label: str
    source: str
    of: Callable[[np.ndarray, np.ndarray], Each]
    chance: Callable[[int, int], Values]
    chance_of: Callable[[np.ndarray, np.ndarray], Values]
    smooth: bool


FOLLOW_UP_MEASURES: dict[str, FollowUpMeasure] = {}


def measure(
    name: str,
    label: str,
    source: str,
    chance: Callable[[int, int], Values] = lambda n, d: {},
    chance_of: Callable[[np.ndarray, np.ndarray], Values] = lambda x, y: {},
    smooth: bool = False,
) -> Callable[[Callable[..., Each]], Callable[..., Each]]:
    """Returns a decorator that registers a function of x and y as a measure with this name."""

    def register(of: Callable[..., Each]) -> Callable[..., Each]:
        FOLLOW_UP_MEASURES[name] = FollowUpMeasure(
            name, label, source, of, chance, chance_of, smooth
        )
        return of

    return register


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """The n (n - 1) values of a matrix (n, n) that are off its diagonal."""
    return matrix[~np.eye(len(matrix), dtype=bool)]


@measure("kind_moments", "cosines by kind", "ours", smooth=True)
def kind_moments(x: np.ndarray, y: np.ndarray) -> Values:
    """The mean and population standard deviation of the cosines of different items, by kind; the
    mean cosine of partners; and the ranking bias, which is the mean cosine within a modality minus
    the mean cosine of partners."""
    cosines = {"xx": x @ x.T, "yy": y @ y.T, "xy": x @ y.T}
    values: dict[str, float] = {}
    for kind, matrix in cosines.items():
        some = off_diagonal(matrix)
        values |= {f"mean_{kind}": float(some.mean()), f"sd_{kind}": float(some.std())}
    partner = float(np.diagonal(cosines["xy"]).mean())
    bias = (values["mean_xx"] + values["mean_yy"]) / 2 - partner
    return values | {"partner_cosine": partner, "ranking_bias": bias}


def _chance_of_counts(n: int, d: int) -> Values:
    # Of the 2 n - 1 other items n are of the other modality; before the first of them stand on
    # average (n - 1) / (n + 1) of the n - 1 own ones.
    own, first = (n - 1) / (2 * n - 1), 1 + (n - 1) / (n + 1)
    values = {f"own_first_{side}": own for side in "xy"}
    values |= {f"other_share10_{side}": 1 - own for side in "xy"}
    return values | {"imr": first, "tmr": first}


@measure(
    "own_nearest",
    "nearest item of the own modality",
    "Fill the Gap (2505.03703)",
    _chance_of_counts,
)
def mixed_counts(x: np.ndarray, y: np.ndarray) -> Each:
    """Four measures of queries x and y, each in a gallery of all other items. `own_first`: whether
    the nearest item is of the query's own modality. `itr` (x) and `tir` (y): the nearest cosine
    within the own modality divided by the nearest cosine to the other. `imr` (x) and `tmr` (y): 1
    plus the number of own items before the first of the other modality, at most n. `other_share10`:
    the share of the other modality in the first 10."""
    values: dict[str, np.ndarray] = {}
    for name, ratio, rank, own, across in (
        ("x", "itr", "imr", x @ x.T, x @ y.T),
        ("y", "tir", "tmr", y @ y.T, y @ x.T),
    ):
        n = len(own)
        own = own.copy()
        np.fill_diagonal(own, -np.inf)
        best_own, best_other = own.max(axis=1), across.max(axis=1)
        first = np.argsort(-np.concatenate([across, own], axis=1), axis=1, kind="stable")
        values |= {
            f"own_first_{name}": best_own > best_other,
            ratio: best_own / best_other,
            rank: 1.0 + (own > best_other[:, None]).sum(axis=1),
            f"other_share10_{name}": (first[:, : min(NEIGHBOURS, 2 * n - 1)] < n).mean(axis=1),
        }
    return values


@measure("few_dimensions", "few coordinates", "Two Effects, One Trigger (2404.07983)")
def few_dimensions(x: np.ndarray, y: np.ndarray) -> Each:
    """How much of the gap is in few coordinates. For several k: the share of the squared gap in its
    k largest coordinates; and the gap, relative gap and recall at 1 both ways without these k. For
    the coordinates in which mean x and mean y are largest: the share of vectors that the larger of
    the two assigns to the right modality (a half if both are the same coordinate), and the
    separability by these two alone. The values depend on the axes: a rotation changes them."""
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    difference = mean_x - mean_y
    order = np.argsort(-np.abs(difference), kind="stable")
    squares = difference[order] ** 2
    i, j = int(mean_x.argmax()), int(mean_y.argmax())
    lead = np.concatenate([x[:, i] - x[:, j], y[:, j] - y[:, i]])
    values: dict[str, float | np.ndarray] = {
        "two_separate": (lead > 0) + (lead == 0) / 2 if (lead == 0).any() else lead > 0,
        "two_separability": separability_of_halves(x[:, [i, j]], y[:, [i, j]]),
    }
    for k in FEW:
        keep = np.ones(x.shape[1])
        keep[order[:k]] = 0
        a, b = unit(x * keep), unit(y * keep)
        cosines = a @ b.T
        values |= {
            f"share_{k}": float(squares[:k].sum() / squares.sum()) if squares.sum() else 0.0,
            f"gap_without_{k}": float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))),
            f"relative_gap_without_{k}": relative_gap_of(a, b),
            f"recall1_xy_without_{k}": partner_ranks(cosines) == 1,
            f"recall1_yx_without_{k}": partner_ranks(cosines.T) == 1,
        }
    return values


def relative_gap_of(x: np.ndarray, y: np.ndarray) -> float:
    """The relative modality gap of pairs x, y (n, d)."""
    partners = ((x - y) ** 2).sum(axis=1).mean() / 2
    return float(relative_gap(partners, (mean_cosine(x) + mean_cosine(y)) / 2))


@measure("frechet", "Fréchet distance, MIR", "MIR (2410.07167)")
def frechet(x: np.ndarray, y: np.ndarray) -> Values:
    """The Fréchet distance |g|^2 + tr S_x + tr S_y - 2 tr (S_x S_y)^(1/2), its logarithm to base
    10, and the share of |g|^2 in it. The trace of the root is the nuclear norm of Xc Yc' / (n -
    1)."""
    n = len(x)
    difference = x.mean(axis=0) - y.mean(axis=0)
    of_x, of_y = x - x.mean(axis=0), y - y.mean(axis=0)
    root = np.linalg.svd(of_x @ of_y.T, compute_uv=False).sum() / (n - 1)
    spread = ((of_x**2).sum() + (of_y**2).sum()) / (n - 1)
    between = float(difference @ difference)
    distance = max(0.0, float(between + spread - 2 * root))
    return {
        "frechet": distance,
        "mir": float(np.log10(distance)) if distance > 1e-12 else float("-inf"),
        "frechet_mean_share": between / distance if distance > 1e-12 else 0.0,
    }


@measure(
    "uniformity",
    "uniformity across and of both",
    "It's Not a Modality Gap (2405.18570), ModGap (2601.18525)",
    smooth=True,
)
def uniformity(x: np.ndarray, y: np.ndarray) -> Values:
    """Two measures of uniformity. The first is log mean exp(-2 |x_i - y_j|^2) over i != j. The
    second is the Wasserstein uniformity of all vectors: minus the root of |mean|^2 + 1 + tr S - (2
    / sqrt d) tr S^(1/2), where S is the population covariance."""
    both = np.concatenate([x, y])
    mean = both.mean(axis=0)
    values = np.linalg.svd(both - mean, compute_uv=False)
    roots = values.sum() / np.sqrt(len(both))
    squared = mean @ mean + 1 + (values**2).sum() / len(both) - 2 / np.sqrt(x.shape[1]) * roots
    return {
        "uniformity_across": float(np.log(np.exp(4 * off_diagonal(x @ y.T) - 4).mean())),
        "wasserstein_uniformity": -float(np.sqrt(max(0.0, squared))),
    }


@measure("spread", "effective rank, participation ratio, IsoScore", "IsoScore (2108.07344)")
def spread(x: np.ndarray, y: np.ndarray) -> Values:
    """Three measures of each modality, all at most n - 1: the effective rank exp(H(s / sum s)),
    where s are the singular values of the centred rows; the participation ratio (sum l)^2 / sum
    l^2, where l are the eigenvalues; and IsoScore, which is (ratio - 1) / (d - 1)."""
    values: dict[str, float] = {}
    for name, rows in (("x", x), ("y", y)):
        singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
        shares = singular[singular > 0] / singular.sum()
        eigenvalues = singular**2
        ratio = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        values |= {
            f"effective_rank_{name}": float(np.exp(-(shares * np.log(shares)).sum())),
            f"participation_{name}": float(ratio),
            f"isoscore_{name}": float((ratio - 1) / (rows.shape[1] - 1)),
        }
    return values


@measure("hubs", "hubs", "NNN (2410.24114)")
def hubs(x: np.ndarray, y: np.ndarray) -> Values:
    """How often each item of the gallery is among the k nearest, for k = 1 and 10, in five numbers:
    the population skewness, the largest count, the share of items never returned, the excess
    kurtosis, and the mean |count - mean|."""
    from scipy import stats

    values: dict[str, float] = {}
    for direction, scores in (("xy", x @ y.T), ("yx", y @ x.T)):
        order = np.argsort(-scores, axis=1, kind="stable")
        for k in (1, 10):
            counts = np.bincount(order[:, :k].ravel(), minlength=len(scores))
            spread_out = counts.std() > 0
            values |= {
                f"skewness{k}_{direction}": float(stats.skew(counts)) if spread_out else 0.0,
                f"largest{k}_{direction}": float(counts.max()),
                f"never{k}_{direction}": float((counts == 0).mean()),
                f"kurtosis{k}_{direction}": float(stats.kurtosis(counts)) if spread_out else 0.0,
                f"deviation{k}_{direction}": float(np.abs(counts - counts.mean()).mean()),
            }
    return values
