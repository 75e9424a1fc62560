"""Intervals of means, shares and ratios, and of any estimate by the jackknife or the bootstrap.

The functions that need scipy import it themselves: pages and figures load this module through the
registry of measures, and must start fast.

An interval is (low, high). Its coverage is `confidence`, between 0 and 1. If items are not
independent, `clusters` (n,), numbered from 0 to C - 1, says which items belong together. An
interval is then over clusters instead of items.

A resample of n units is a row of weights (B, n): how often it draws each unit.
"""

import warnings
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from modality_gap.errors import InputError


def normal_quantile(confidence: float) -> float:
    """Half the width of an interval in standard errors, if the standard error is known."""
    from scipy import special

    return special.ndtri((1 + confidence) / 2)


def t_quantile(confidence: float, n: int | np.ndarray) -> float | np.ndarray:
    """Half the width of an interval in standard errors, if the standard error is estimated from n
    independent units. It is the quantile of Student's t with n - 1 degrees of freedom."""
    from scipy import special

    return special.stdtrit(np.subtract(n, 1), (1 + confidence) / 2)


def check_units(n: int) -> None:
    """Raise InputError if an interval has fewer than two independent units."""
    if n < 2:
        raise InputError(
            "an interval needs two pairs, or two clusters of pairs; give more pairs, or name a "
            "label column with at least two values."
        )


def count_clusters(n: int, clusters: np.ndarray | None) -> int:
    """The number of independent units in n items."""
    return n if clusters is None else int(clusters.max()) + 1


def sums_by(values: np.ndarray, clusters: np.ndarray, count: int) -> np.ndarray:
    """The sums of values (n, ...) over each of `count` clusters, (count, ...)."""
    sums = np.zeros((count, *values.shape[1:]))
    np.add.at(sums, clusters, values)
    return sums


def t_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Student's interval of the mean of independent values (n,), with n - 1 degrees of freedom."""
    from scipy import stats

    margin = t_quantile(confidence, len(values)) * stats.sem(values)
    return float(np.mean(values) - margin), float(np.mean(values) + margin)


def ratio(
    numerators: np.ndarray, denominators: np.ndarray, confidence: float
) -> tuple[float, float, float]:
    """The geometric mean of the ratios of positive values (n,), and its t interval, computed from
    the logarithms. The values are paired by seed."""
    logs = np.log(numerators) - np.log(denominators)
    low, high = t_interval(logs, confidence)
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


def largest_ratio(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """The largest ratio between the geometric means of k conditions, and its interval, which is not
    below 1. `values` (k, n) are positive and paired by column.

    Each ordered pair of conditions has a t interval (`ratio`). The upper end is the largest upper
    end of these, because one of them belongs to the true largest ratio. The lower end is the
    largest lower end after Bonferroni's correction for the k (k - 1) ordered pairs, because the
    pair is picked for being far apart.
    """
    pairs = list(permutations(values, 2))
    corrected = 1 - (1 - confidence) / len(pairs)
    estimates, _, highs = zip(*(ratio(*pair, confidence) for pair in pairs), strict=True)
    lows = [ratio(*pair, corrected)[1] for pair in pairs]
    return max(estimates), max(1.0, *lows), max(highs)


def proportion_interval(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share; n need not be a whole number."""
    share, quantile = successes / n, normal_quantile(confidence)
    scale = 2 * (n + quantile**2)
    centre = (2 * n * share + quantile**2) / scale
    margin = quantile / scale * np.sqrt(4 * n * share * (1 - share) + quantile**2)
    low = 0.0 if successes == 0 else centre - margin
    high = 1.0 if successes == n else centre + margin
    return float(low), float(high)


def exact_interval(successes: float, n: float, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share; n need not be a whole number."""
    from scipy import stats

    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, successes, n - successes + 1) if successes > 0 else 0.0
    high = stats.beta.ppf(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return float(low), float(high)


def share_interval(
    hits: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> tuple[float, float]:
    """Wilson's interval of the share of `hits` (n,). If there are clusters, it uses the effective
    number of items (Korn and Graubard, Survey Methodology 24, 1998)."""
    n = len(hits)
    successes = int(np.count_nonzero(hits))
    if clusters is None:
        return proportion_interval(successes, n, confidence)
    worth = effective_size(hits, confidence, clusters)
    return proportion_interval(successes / n * worth, worth, confidence)


def effective_size(hits: np.ndarray, confidence: float, clusters: np.ndarray) -> float:
    """The number of independent items that would give the share of `hits` (n,) as precisely as
    these clusters do. It follows from the variance of the share over clusters and from Student's t
    for the number of clusters. It is at most n. If all items agree, it is the number of
    clusters."""
    _, clusters = np.unique(clusters, return_inverse=True)
    n, count = len(hits), int(clusters.max()) + 1
    share = np.count_nonzero(hits) / n
    check_units(count)
    if share in (0, 1):
        return float(count)
    errors = np.bincount(clusters, hits - share)
    variance = count / (count - 1) * (errors**2).sum() / n**2
    ratio = normal_quantile(confidence) / t_quantile(confidence, count)
    return float(min(n, share * (1 - share) / variance * ratio**2)) if variance > 0 else float(n)


def jackknife_interval(
    estimate: Any, without_one: np.ndarray, confidence: float
) -> tuple[Any, Any]:
    """The jackknife interval of estimates (...). Each of the n estimates `without_one` (n, ...)
    leaves out one unit. The interval uses Student's t with n - 1 degrees of freedom."""
    n = len(without_one)
    # One expression, so that the memory of the deviations is freed once they are squared.
    squares = ((without_one - without_one.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt((n - 1) / n * squares)
    margin = t_quantile(confidence, n) * error
    return estimate - margin, estimate + margin


BATCH = 512  # resamples at once, which bounds the memory


def draws(resamples: np.ndarray, n: int) -> np.ndarray:
    """How often each resample draws each of n items, (B, n). `resamples` (B, m) are the drawn
    items."""
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

    `statistic` turns weights (B, n) into (q, B). BCa allows for a skewed statistic. Neither BCa nor
    the percentile interval removes the bias of the length of a mean, so the gap has no such
    interval (`gap_intervals.gap_interval`). If no resample differs from the estimate, BCa has no
    answer. The result is then the percentile interval, which is a point.
    """
    from scipy import stats

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
