"""What a method changes on the same scored items: differences from the result without a method,
with intervals.

Items may share a picture or a class, which `clusters` (n,) gives. Intervals then leave out one
cluster at a time.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from modality_gap.measures.intervals import (
    count_clusters,
    exact_interval,
    jackknife_interval,
    share_interval,
    t_interval,
)
from modality_gap.measures.posthoc.ranks import ndcg10, partner_ranks
from modality_gap.measures.posthoc.tasks import (
    Direction,
    deviations,
    kurtoses,
    mixed_ranks,
    skewnesses,
    times_found,
)
from modality_gap.measures.significance import holm, mcnemar, paired_change

GROUPS = 20  # the jackknife leaves out one group at a time
STAYS = "stays_0.001"  # the result with noise whose change has an interval
# What each metric computes from how often each item is found.
HUBS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hub_skewness10": skewnesses,
    "hub_kurtosis10": kurtoses,
    "hub_deviation10": deviations,
}


class Outcome(NamedTuple):
    """The results of one direction. For each query, they are whether the partner comes first (n,);
    the partner's NDCG at 10 in the mixed gallery (n,), or None if there is no such gallery; which
    items are among the 10 nearest (n, n); and whether the nearest item stays the same with noise on
    the gallery (n,), or None if the method moves no vectors."""

    first: np.ndarray
    mixed: np.ndarray | None
    found: np.ndarray
    stays: np.ndarray | None = None


def outcome(scores: Direction, stays: np.ndarray | None = None) -> Outcome:
    """The outcome of one direction's scores."""
    mixed = None if scores.own is None else ndcg10(mixed_ranks(scores))
    return Outcome(partner_ranks(scores.across) == 1, mixed, times_found(scores.across), stays)


def change_of(
    before: np.ndarray, after: np.ndarray, clusters: np.ndarray | None, confidence: float
) -> dict[str, float]:
    """The paired difference of two results of the same items (n,), right or wrong, with interval,
    McNemar's p and n. The interval contains the exact one given the number of items that change. It
    excludes 0 only if McNemar's exact test does so too, because few changes decide nothing."""
    change, p = mean_change(before, after, clusters, confidence), mcnemar(before, after, clusters)
    _, low, high = paired_change(before == 1, after == 1, confidence, clusters)
    low, high = min(low, change["difference_low"]), max(high, change["difference_high"])
    if p >= 1 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    return change | {"difference_low": low, "difference_high": high, "p": p}


def mean_change(
    before: np.ndarray, after: np.ndarray, clusters: np.ndarray | None, confidence: float
) -> dict[str, float]:
    """The mean difference of two results of the same items (n,), each from 0 to 1, with its
    interval and n. If no item changes, the interval is the exact one of the share of items that
    change, upwards and downwards."""
    change = after.astype(float) - before
    if change.any():
        low, high = mean_interval(change, clusters, confidence)
    else:
        high = exact_interval(0, count_clusters(len(change), clusters), confidence)[1]
        low = -high
    ends = {"difference": float(change.mean()), "difference_low": low, "difference_high": high}
    return ends | {"n": len(after)}


def mean_interval(
    values: np.ndarray, clusters: np.ndarray | None, confidence: float
) -> tuple[float, float]:
    """The interval of the mean of values (n,): Student's, or the jackknife's if there are
    clusters."""
    if clusters is None:
        return t_interval(values, confidence)
    sums, sizes = np.bincount(clusters, values), np.bincount(clusters)
    without = (values.sum() - sums) / (len(values) - sizes)
    low, high = jackknife_interval(values.mean(), without, confidence)
    return float(low), float(high)


def measure_interval(
    values: np.ndarray, clusters: np.ndarray | None, confidence: float
) -> tuple[float, float]:
    """The interval of a measure from its value for each item (n,). If the values are truth values,
    it is Wilson's. Otherwise it is the interval of the mean."""
    if values.dtype == bool:
        return share_interval(values, confidence, clusters)
    return mean_interval(values, clusters, confidence)


def hub_change(
    before: np.ndarray,
    after: np.ndarray,
    clusters: np.ndarray | None,
    confidence: float,
    of: Callable[[np.ndarray], np.ndarray] = skewnesses,
) -> dict[str, float]:
    """The change in what `of` computes from the number of times that each item is found. `before`
    and `after` (n, items) say which items each query finds. The interval leaves out one of 20
    groups of queries at a time."""
    codes = np.arange(len(before)) if clusters is None else clusters
    groups = codes % min(GROUPS, int(codes.max()) + 1)
    of_group = groups == np.arange(groups.max() + 1)[:, None]  # (20, n)
    counts = [found.sum(axis=0) - of_group @ found for found in (before, after)]
    totals = of(np.stack([before.sum(axis=0), after.sum(axis=0)]))
    value = float(totals[1] - totals[0])
    parts = of(counts[1]) - of(counts[0])
    low, high = jackknife_interval(value, parts, confidence)
    ends = {"difference": value, "difference_low": float(low), "difference_high": float(high)}
    return ends | {"n": len(before)}


def other_changes(
    before: Outcome, after: Outcome, clusters: np.ndarray | None, confidence: float
) -> dict[str, dict[str, float]]:
    """The changes by metric, except recall. They are NDCG at 10 of the mixed gallery
    (`mixed_ndcg10`) and whether the nearest item stays the same with noise, if the method has them,
    and the HUBS."""
    changes = {}
    if before.mixed is not None and after.mixed is not None:
        changes["mixed_ndcg10"] = mean_change(before.mixed, after.mixed, clusters, confidence)
    if before.stays is not None and after.stays is not None:
        changes[STAYS] = change_of(before.stays, after.stays, clusters, confidence)
    for metric, of in HUBS.items():
        changes[metric] = hub_change(before.found, after.found, clusters, confidence, of)
    return changes


def with_holm(differences: pd.DataFrame) -> pd.DataFrame:
    """The table with p_holm: Holm's correction of p over all rows of the same metric that have a
    p."""
    differences["p_holm"] = np.nan
    tested = differences[differences["p"].notna()] if "p" in differences else differences[:0]
    for _, of in tested.groupby("metric"):
        differences.loc[of.index, "p_holm"] = holm(of["p"].to_numpy())
    return differences
