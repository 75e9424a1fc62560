"""What else describes two modalities in one space, beside the L2 gap, and how sure it is.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair.

A resample of the pairs is a row of weights (B, n): how often it draws each pair. Then a mean over
pairs is W @ values, and a mean over pairs of different items a quadratic form of W; an item that
was drawn twice is not compared with itself, which would make every resample look narrower.
"""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from modality_gap.gap import partner_ranks

BATCH = 512  # resamples at once, which bounds the memory


def draws(resamples: np.ndarray, n: int) -> np.ndarray:
    """How often each of n items is drawn, (B, n), from the items of each resample (B, m)."""
    rows = np.arange(len(resamples))[:, None] * n
    counts = np.bincount((resamples + rows).ravel(), minlength=len(resamples) * n)
    return counts.reshape(len(resamples), n).astype(np.float64)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    resamples: int,
    confidence: float,
    seed: int,
    method: str = "BCa",
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (q,) of the bootstrap intervals of q quantities of n items.

    `statistic` turns weights (B, n) into (q, B). BCa is used because the L2 gap is the length of
    a mean, which resampling makes longer on average; the percentile interval keeps that bias
    twice over and BCa takes it out. Where no resample differs from the estimate (no hit at all)
    BCa has no answer, and the percentile interval, a point, is given.
    """

    def of_resamples(indices: np.ndarray, axis: int) -> np.ndarray:
        # The sample itself comes as (n,), its resamples as (B, m).
        values = statistic(draws(np.atleast_2d(indices), n))
        return values if indices.ndim > 1 else values[:, 0]

    result = None
    ends = []
    for kind in dict.fromkeys((method, "percentile")):
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            result = stats.bootstrap(
                (np.arange(n),),
                of_resamples,
                n_resamples=resamples if result is None else 0,
                batch=BATCH,
                vectorized=True,
                confidence_level=confidence,
                method=kind,
                rng=np.random.default_rng(seed),
                bootstrap_result=result,
            )
        ends.append(np.array(result.confidence_interval))
    low, high = np.where(np.isfinite(ends[0]).all(axis=0), ends[0], ends[-1])
    return low, high


def pair_potential(x: np.ndarray) -> np.ndarray:
    """exp(-2 |x_i - x_j|^2) of every two rows, (n, n), 0 on the diagonal; 8 n^2 bytes."""
    potential = np.exp(4 * (x @ x.T) - 4)  # of unit vectors
    np.fill_diagonal(potential, 0)
    return potential


def diagnostics(x: np.ndarray, y: np.ndarray) -> tuple[list[str], Callable]:
    """Names (q,) of the quantities, and the function from weights (B, n) to their values (q, B).

    gap: length of the difference of the means (the paper, section 2). mean_cosine_a, _b: over
    pairs of different items of one modality. recall1_ab, _ba: share of items whose partner is
    the nearest. alignment: mean squared distance of partners; uniformity_a, _b: log of the mean
    of exp(-2 |x_i - x_j|^2) over different items (Wang and Isola, 2020). rmg, the relative
    modality gap: D / (W + D), with D the mean cosine distance of partners and W that of two
    different items of one modality, averaged over both modalities (Schrodi et al., 2024); 1 where
    each modality is one point apart from the other, 0 where partners coincide.
    """
    difference = x - y
    distances = (difference**2).sum(axis=1)
    found = [ranks < 1 for ranks in partner_ranks(x, y)]
    potentials = [pair_potential(side) for side in (x, y)]
    squares = [(side**2).sum(axis=1) for side in (x, y)]

    def values(weights: np.ndarray) -> np.ndarray:
        drawn = weights.sum(axis=1)
        different = drawn**2 - (weights**2).sum(axis=1)
        cosines = [
            (((weights @ side) ** 2).sum(axis=1) - weights**2 @ square) / different
            for side, square in zip((x, y), squares, strict=True)
        ]
        alignment = weights @ distances / drawn
        partners, within = alignment / 2, 1 - (cosines[0] + cosines[1]) / 2
        uniformities = [
            np.log(((weights @ potential) * weights).sum(axis=1) / different)
            for potential in potentials
        ]
        return np.stack(
            [
                np.linalg.norm(weights @ difference, axis=1) / drawn,
                *cosines,
                *(weights @ hits / drawn for hits in found),
                partners / (within + partners),
                alignment,
                *uniformities,
            ]
        )

    names = [
        "gap",
        "mean_cosine_a",
        "mean_cosine_b",
        "recall1_ab",
        "recall1_ba",
        "rmg",
        "alignment",
        "uniformity_a",
        "uniformity_b",
    ]
    return names, values


def effective_dimension(x: np.ndarray, share: float = 0.99) -> int:
    """Least number of principal components (of the centred rows of x) that hold `share` of the
    variance. At most n - 1 for n rows, so sets of different n do not compare."""
    variances = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    # Rounding must not let the last, empty components count where one holds everything.
    return int(np.searchsorted(np.cumsum(variances), share * variances.sum()) + 1)


def measure(x: np.ndarray, y: np.ndarray, resamples: int, confidence: float, seed: int) -> dict:
    """Every quantity of one set with its interval, and the effective dimensions of the first
    modality, of the second and of both pooled about their common centre. Takes 16 n^2 bytes, so of
    a large set a sample."""
    names, values = diagnostics(x, y)
    estimates = values(np.ones((1, len(x))))[:, 0]
    low, high = bootstrap_interval(values, len(x), resamples, confidence, seed)
    row = {"n": len(x), "dim": x.shape[1]}
    for name, *numbers in zip(names, estimates, low, high, strict=True):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), numbers, strict=True))
    for side, vectors in {"a": x, "b": y, "both": np.concatenate([x, y])}.items():
        row[f"effective_dimension_{side}"] = effective_dimension(vectors)
    return row


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """diagnostics.csv with the place of each set by gap and by relative gap, the widest first;
    equal sets share the better place."""
    return table.assign(
        **{
            f"{quantity}_rank": table[quantity].rank(ascending=False, method="min").astype(int)
            for quantity in ("gap", "rmg")
        }
    )
