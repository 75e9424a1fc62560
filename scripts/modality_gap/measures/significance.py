"""Tests of changes, corrections for many tests, and intervals of the changes themselves.

Paired tests: before, after (n,) are of the same items. `clusters` (n,), numbered from 0 to C - 1,
says which items are not independent. Unpaired tests: two shares, each of n items of its own.
"""

import numpy as np
from scipy import stats
from scipy.special import ndtr

from modality_gap.measures.intervals import (
    effective_size,
    exact_interval,
    normal_quantile,
    proportion_interval,
)

SIGNS_AT_ONCE = 1 << 24  # 64 MiB of random signs, whatever the number of items


def mcnemar(before: np.ndarray, after: np.ndarray, clusters: np.ndarray | None = None) -> float:
    """The exact two-sided p-value of McNemar's test. before, after (n,) say which items were right.

    With `clusters` (n,), each cluster has a net change, whose sign is random under the null
    hypothesis. The p-value compares the sum of these changes with its values for all signs. For
    clusters of one item, this is McNemar's test.
    """
    gains = after.astype(int) - before.astype(int)
    if clusters is not None:
        gains = np.bincount(clusters, gains)
    sizes = np.abs(gains[gains != 0]).astype(int)
    if not len(sizes):
        return 1.0
    if (sizes == 1).all():
        return float(stats.binomtest(int((gains > 0).sum()), len(sizes)).pvalue)
    # How likely each sum is, from -total to total: one cluster after the other, up or down.
    chances = np.ones(1)
    for size in sizes:
        chances = np.convolve(chances, np.r_[0.5, np.zeros(2 * size - 1), 0.5])
    sums = np.arange(-sizes.sum(), sizes.sum() + 1)
    return float(min(1.0, chances[np.abs(sums) >= abs(gains.sum())].sum()))


def paired_change(
    before: np.ndarray,
    after: np.ndarray,
    confidence: float,
    clusters: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """The share of `after` minus the share of `before`, both (n,) of the same pictures, and its
    interval. The interval is the exact one of the share of upward changes, given the number of
    changes. It excludes 0 exactly when McNemar's test is significant at 1 - confidence. With
    `clusters` (n,), the number of changes is the effective one (`intervals.effective_size`)."""
    up, down = ~before & after, before & ~after
    changed, n = up | down, len(before)
    if not changed.any():
        return 0.0, 0.0, 0.0
    count, rises = int(changed.sum()), int(up.sum())
    worth = float(count)
    if clusters is not None:
        one = len(set(clusters[changed])) == 1
        worth = 1.0 if one else effective_size(up[changed], confidence, clusters[changed])
    low, high = exact_interval(rises / count * worth, worth, confidence)
    return (
        (rises - (count - rises)) / n,
        (2 * low - 1) * count / n,
        (2 * high - 1) * count / n,
    )


def random_sign_test(
    gains: np.ndarray, observed: float, row: int, permutations: int, seed: int
) -> tuple[float, float]:
    """Two p-values of `observed`, the sum of gains at the shift `row`. They say how often random
    signs of the items' gains (len(deltas), n) give at least this sum: at that shift, and at any
    shift."""
    # Only items that some shift changes matter; sums of whole numbers are exact in float32.
    gains = gains[:, gains.any(axis=0)].astype(np.float32)
    rng = np.random.default_rng(seed)
    alone = best = 0
    most = max(1, SIGNS_AT_ONCE // max(1, gains.shape[1]))
    for start in range(0, permutations, most):
        size = min(most, permutations - start), gains.shape[1]
        signs = 2 * rng.integers(0, 2, size, dtype=np.int8).astype(np.float32) - 1
        sums = signs @ gains.T
        alone += int((sums[:, row] >= observed).sum())
        best += int((sums.max(axis=1) >= observed).sum())
    return (1 + alone) / (1 + permutations), (1 + best) / (1 + permutations)


def two_sided(difference: float, variance: float) -> float:
    """The two-sided p-value of a difference that is normally distributed about 0. It is 1 if
    nothing varies."""
    return float(2 * ndtr(-abs(difference) / np.sqrt(variance))) if variance > 0 else 1.0


def two_proportion_test(before: float, after: float, n: int) -> float:
    """The two-sided p-value of the z-test with a pooled variance that two shares, each of n items,
    are equal. The chi-squared test without continuity correction is the same. The test takes the
    items as two independent draws, although both shares are of the same items."""
    if before == after:
        return 1.0
    pooled = (before + after) / 2
    z = (after - before) / np.sqrt(2 * pooled * (1 - pooled) / n)
    return float(2 * ndtr(-abs(z)))


def difference_interval(
    before: float, after: float, n: int, confidence: float
) -> tuple[float, float]:
    """Wald's interval of `after` minus `before`, which are shares of n independent items each."""
    error = np.sqrt((before * (1 - before) + after * (1 - after)) / n)
    margin = normal_quantile(confidence) * error
    return float(after - before - margin), float(after - before + margin)


def change_interval(before: int, after: int, n: int, confidence: float) -> tuple[float, float]:
    """The interval of the share `after` minus the share `before`, treated as unpaired. Both are
    given as counts of n. The interval is Newcombe's, from the two Wilson intervals (Statistics in
    Medicine 17, 1998, method 10)."""
    shares = before / n, after / n
    (low_1, high_1), (low_2, high_2) = (
        proportion_interval(count, n, confidence) for count in (before, after)
    )
    change = shares[1] - shares[0]
    return (
        change - float(np.hypot(shares[1] - low_2, high_1 - shares[0])),
        change + float(np.hypot(high_2 - shares[1], shares[0] - low_1)),
    )


def bonferroni(p: float, choices: int) -> float:
    """An upper bound of the p-value of the best of `choices` comparisons."""
    return min(1.0, choices * p)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of the p-values (m,) of one family of tests. The k-th smallest
    p-value is multiplied by m - k + 1. A result is never below the result for a smaller p-value,
    and at most 1."""
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(steps, 1)
    return corrected
