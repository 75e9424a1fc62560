"""Recall@1 of a set under the shift along its gap: the question of Figure 3 for retrieval instead
of the loss.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair. `deltas` are
the shifts, 0 among them; each side moves by half of a shift. `clusters` (n,) is as in
gap_intervals.py. Items, partners and ties are those of retrieval.py. Direction ab looks for an
item's partner in the second modality, ba in the first.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from modality_gap.data.tiles import chosen
from modality_gap.measures.intervals import bootstrap_interval, share_interval, sums_by
from modality_gap.measures.retrieval import identical_rows, partner_ranks
from modality_gap.measures.shift import (
    lengths_after,
    shift,
    signed_distances,
    unit_gap_vector,
    unshifted,
)
from modality_gap.measures.significance import mcnemar, paired_change
from modality_gap.measures.zero_shot import best_shift, permutation_test

DIRECTIONS = ("ab", "ba")


@dataclass(frozen=True)
class Hits:
    """The results of one direction. `found` (deltas, items) says whether each item finds a partner
    first. `clusters` (items,) are the items' clusters, 0 to C - 1, or None."""

    found: np.ndarray
    clusters: np.ndarray | None

    @property
    def units(self) -> int:
        """Number of independent units among the items."""
        return self.found.shape[1] if self.clusters is None else int(self.clusters.max()) + 1


def defined_shifts(x: np.ndarray, y: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """The shifts after which every vector still has a direction."""
    u, halves = unit_gap_vector(x, y), np.asarray(deltas)[:, None] / 2
    squares = [1 + 2 * sign * halves * (side @ u) + halves**2 for side, sign in ((x, -1), (y, 1))]
    lengths = [np.isfinite(lengths_after(one)).all(axis=1) for one in squares]
    return np.asarray(deltas)[lengths[0] & lengths[1]]


def recall_hits(
    x: np.ndarray, y: np.ndarray, deltas: np.ndarray, clusters: np.ndarray | None = None
) -> dict[str, Hits]:
    """For each direction, which items find a partner first at every shift."""
    u, first = unit_gap_vector(x, y), (identical_rows(x), identical_rows(y))
    ranks = [
        partner_ranks(
            shift(x, u, -delta / 2), shift(y, u, delta / 2), first=first, times=len(deltas)
        )
        for delta in deltas
    ]
    hits = {}
    for direction, own, found in zip(DIRECTIONS, first, zip(*ranks, strict=True), strict=True):
        items = np.flatnonzero(own == np.arange(len(own)))
        hits[direction] = Hits(np.stack(found) < 1, chosen(clusters, items))
    return hits


def recall_curve(
    hits: dict[str, Hits], deltas: np.ndarray, distances: np.ndarray, confidence: float
) -> pd.DataFrame:
    """Recall@1 in both directions at every shift, with Wilson's interval, and its difference from
    recall without a shift, with the paired interval. The paired interval excludes 0 where McNemar's
    test is significant."""
    zero, rows = unshifted(deltas), []
    for at, (delta, distance) in enumerate(zip(deltas, distances, strict=True)):
        row: dict[str, float] = {"delta": delta, "distance": distance}
        for direction, one in hits.items():
            name, right = f"recall1_{direction}", one.found[at]
            low, high = share_interval(right, confidence, one.clusters)
            row |= {name: right.mean(), f"{name}_low": low, f"{name}_high": high}
            name = f"change_{direction}"
            change = paired_change(one.found[zero], right, confidence, one.clusters)
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), change, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def recall_peak(
    hits: Hits,
    deltas: np.ndarray,
    distances: np.ndarray,
    confidence: float,
    resamples: int,
    permutations: int,
    seed: int,
) -> dict[str, float]:
    """Where recall@1 of one direction is highest, compared with the model's own gap and with a
    closed gap. The gap counts as closed at the shift that brings the centres closest.

    The interval of the place is a percentile bootstrap over items, or clusters of items.
    `p_max_statistic` tests the gain by the best shift and allows for the choice among all shifts
    (`zero_shot.permutation_test`). `p_closed` is McNemar's p-value of the change by closing the
    gap.
    """
    found, clusters = hits.found, hits.clusters
    zero, best = unshifted(deltas), best_shift(found.mean(axis=1), deltas)
    closed = int(np.abs(distances).argmin())
    low, high = place_interval(hits, deltas, distances, confidence, resamples, seed)
    row: dict[str, float] = {
        "n": found.shape[1],
        "clusters": hits.units,
        "gap": distances[zero],
        "best_delta": deltas[best],
        "best_distance": distances[best],
        "best_distance_low": low,
        "best_distance_high": high,
        "best_at_end": best in (0, len(deltas) - 1),
        "p_max_statistic": permutation_test(found, deltas, permutations, seed, clusters)[1],
        "closed_delta": deltas[closed],
        "closed_distance": distances[closed],
        "p_closed": mcnemar(found[zero], found[closed], clusters),
    }
    for name, at in (("at_gap", zero), ("best", best), ("closed", closed)):
        low, high = share_interval(found[at], confidence, clusters)
        name = f"recall_{name}"
        row |= {name: found[at].mean(), f"{name}_low": low, f"{name}_high": high}
    for name, at in (("gain", best), ("change_closed", closed)):
        change = paired_change(found[zero], found[at], confidence, clusters)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), change, strict=True))
    return row


def place_interval(
    hits: Hits,
    deltas: np.ndarray,
    distances: np.ndarray,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """Percentile bootstrap interval, over items or clusters of items, of the distance between the
    centres at the highest recall. If several shifts are equally good, the smallest counts."""
    order = np.argsort(np.abs(deltas), kind="stable")
    # Per unit its hits at each shift; the number of items drawn is the same for all shifts.
    units = hits.found[order].T.astype(np.float64)
    if hits.clusters is not None:
        units = sums_by(units, hits.clusters, hits.units)

    def positions(weights: np.ndarray) -> np.ndarray:
        return distances[order][(weights @ units).argmax(axis=1)][None]

    low, high = bootstrap_interval(
        positions, len(units), resamples, confidence, seed, method="percentile"
    )
    return float(low[0]), float(high[0])


def recall_under_shift(
    x: np.ndarray,
    y: np.ndarray,
    deltas: np.ndarray,
    confidence: float,
    resamples: int,
    permutations: int,
    seed: int,
    clusters: np.ndarray | None = None,
) -> tuple[pd.DataFrame, list[dict]]:
    """The rows of a set in recall_under_shift.csv, and its rows of recall_peak.csv, one per
    direction. A shift that moves a vector into the origin has no row, because the vector then has
    no direction."""
    deltas = defined_shifts(x, y, deltas)
    distances, hits = signed_distances(x, y, deltas), recall_hits(x, y, deltas, clusters)
    curve = recall_curve(hits, deltas, distances, confidence)
    curve.insert(2, "n", len(x))
    curve.insert(3, "clusters", len(x) if clusters is None else int(clusters.max()) + 1)
    settings = confidence, resamples, permutations, seed
    peaks = [
        {"direction": direction, **recall_peak(one, deltas, distances, *settings)}
        for direction, one in hits.items()
    ]
    return curve, peaks
