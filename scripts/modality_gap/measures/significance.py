"""Tests of changes, corrections for many of them, and intervals of the changes themselves.

Paired: before, after (n,) are of the same items, whose `clusters` (n,), 0 to C - 1, say which are
not independent. Unpaired: two shares, each of n items of its own.
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
    """Exact two-sided p-value of McNemar's test; before, after (n,): which items were right. With
    `clusters` (n,), the sign of each cluster's net change is random under the null hypothesis: the
    p-value of the sum over all signs, which is McNemar's for clusters of one."""
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
    """Share of `after` minus the share of `before`, both (n,) of the same pictures, and its
    interval: the exact interval of the share of upward changes, given the number of changes. It
    excludes 0 exactly when McNemar's test is significant at 1 - confidence. With `clusters` (n,),
    the effective number of changes is used (`intervals.effective_size`)."""
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
    """Two p-values of `observed`, the sum of gains at the shift `row`: how often random signs of
    the items' gains (len(deltas), n) give at least as much at that shift, and at any shift."""
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
    """Two-sided p-value of a difference that is normally distributed about 0; 1 if nothing
    varies."""
    return float(2 * ndtr(-abs(difference) / np.sqrt(variance))) if variance > 0 else 1.0


def two_proportion_test(before: float, after: float, n: int) -> float:
    """Two-sided p-value of the z-test with a pooled variance that two shares, each of n items,
    are equal; the same as the chi-squared test without continuity correction. It takes the items
    as two independent draws, although both shares are of the same ones."""
    if before == after:
        return 1.0
    pooled = (before + after) / 2
    z = (after - before) / np.sqrt(2 * pooled * (1 - pooled) / n)
    return float(2 * ndtr(-abs(z)))


def difference_interval(
    before: float, after: float, n: int, confidence: float
) -> tuple[float, float]:
    """Interval of after - before, each a share of n independent items (Wald's)."""
    error = np.sqrt((before * (1 - before) + after * (1 - after)) / n)
    margin = normal_quantile(confidence) * error
    return float(after - before - margin), float(after - before + margin)


def change_interval(before: int, after: int, n: int, confidence: float) -> tuple[float, float]:
    """Interval of the share `after` minus the share `before`, both counts of n, taken as unpaired:
    Newcombe's, from the two Wilson intervals (Statistics in Medicine 17, 1998, method 10)."""
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
    """Upper bound of the p-value of the best of `choices` comparisons."""
    return min(1.0, choices * p)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of the p-values (m,) of one family of tests: the k-th smallest
    times m - k + 1, never below that of a smaller p-value, at most 1."""
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(steps, 1)
    return corrected
