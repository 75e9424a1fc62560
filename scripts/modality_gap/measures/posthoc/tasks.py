"""The tasks that judge a method on pairs, each in both directions.

a, b: (n, d) unit vectors (float64) of the scored pairs, row i of both is one pair. The method was
fitted on other pairs. Scores are matrices (queries, items); "own" means the query's modality.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from modality_gap.measures.gap import mean_cosine, relative_gap
from modality_gap.measures.posthoc.ranks import beats, ndcg10, partner_ranks, ranks_of
from modality_gap.measures.posthoc.registry import LOSS_TEMPERATURE, Fitted, Maps, unit

NEIGHBOURS = 10
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Direction:
    """The scores of one direction. `across` (n, n) are between queries and items of the other
    modality. `own` (n, n) are between queries and items of the same modality, or None if the method
    has no such scores."""

    name: str
    across: np.ndarray
    own: np.ndarray | None

    @property
    def inside(self) -> np.ndarray:
        """The scores within a modality. Raises TypeError if the method has none."""
        if self.own is None:
            raise TypeError("the method gives no scores within a modality")
        return self.own


def directions(fitted: Fitted, a: np.ndarray, b: np.ndarray) -> list[Direction]:
    """Both directions: "xy" with queries a, and "yx" with queries b."""
    both = []
    for kind, queries, items in ((("x", "y"), a, b), (("y", "x"), b, a)):
        across = fitted.scores(queries, items, kind)
        own = fitted.own_scores(queries, items, kind)
        both.append(Direction("".join(kind), across, own))
    return both


def cross_modal(scores: Direction) -> dict[str, float]:
    """T1: find the partner among the items of the other modality. The metrics are recall at 1, 5
    and 10, and NDCG at 10."""
    ranks = partner_ranks(scores.across)
    recall = {f"recall{k}": float((ranks <= k).mean()) for k in (1, 5, 10)}
    return recall | {"ndcg10": float(ndcg10(ranks).mean())}


def mixed_gallery(scores: Direction) -> dict[str, float]:
    """T2a: find the partner among all other items of both modalities. The metrics are recall at 1
    and 10, NDCG at 10 and the median rank.

    Two more metrics say how much the method prefers a modality, both without the partner.
    `kind_auc` is the chance that a random item of the other modality scores higher than one of the
    query's own. `kind_share10` is the share of the other modality in the first 10.
    """
    n = len(scores.across)
    ranks = mixed_ranks(scores)
    others = ~np.eye(n, dtype=bool)
    across, inside = (part[others].reshape(n, n - 1) for part in (scores.across, scores.inside))
    both = np.concatenate([across, inside], axis=1)
    return {
        "recall1": float((ranks == 1).mean()),
        "recall10": float((ranks <= 10).mean()),
        "ndcg10": float(ndcg10(ranks).mean()),
        "median_rank": float(np.median(ranks)),
        "kind_auc": _auc(across, inside),
        "kind_share10": float(among_first(both, NEIGHBOURS)[:, : n - 1].sum(axis=1).mean())
        / min(NEIGHBOURS, both.shape[1]),
    }


def mixed_ranks(scores: Direction) -> np.ndarray:
    """The rank (n,) of each query's partner among all other items of both modalities."""
    own = scores.inside.copy()
    np.fill_diagonal(own, -np.inf)
    return ranks_of(np.concatenate([scores.across, own], axis=1), np.arange(len(own)))


def _auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The chance that a value in a row of `higher` exceeds a value in the same row of `lower` (ties
    count half), as the mean over rows."""
    lower = np.sort(lower, axis=1)
    below = [
        np.searchsorted(row, values) + np.searchsorted(row, values, side="right")
        for row, values in zip(lower, higher, strict=True)
    ]
    return float(np.mean(below) / (2 * lower.shape[1]))


def u_curve(scores: Direction, shares: Sequence[float] = SHARES) -> dict[str, float]:
    """T2b: expected recall at 1 and NDCG at 10, if the partner is of the other modality and every
    other item is of the other modality with probability p. Keys are `recall1_p` and `ndcg10_p`. The
    values are exact."""
    n = len(scores.across)
    partner = np.diagonal(scores.across)
    other = beats(scores.across, partner, np.arange(n))
    own = beats(scores.inside, partner, np.arange(n))
    both = (own & other).sum(axis=1)
    own_alone, other_alone = (own & ~other).sum(axis=1), (other & ~own).sum(axis=1)
    result: dict[str, float] = {}
    for p in shares:
        recall, ndcg = expected((both, own_alone, other_alone), (1.0, 1 - p, p))
        result |= {f"recall1_{p:g}": float(recall.mean()), f"ndcg10_{p:g}": float(ndcg.mean())}
    return result


def expected(
    counts: Sequence[np.ndarray], chances: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The expected recall at 1 and the expected NDCG at 10 of n queries, (n,) each. The number of
    items that rank above the partner is a sum of independent binomial variables. For variable i,
    `counts[i]` (n,) is the number of trials of each query, and `chances[i]` is the chance of
    success."""
    ahead = np.arange(10)
    chance_of = np.zeros((len(counts[0]), 10))
    chance_of[:, 0] = 1
    for count, chance in zip(counts, chances, strict=True):
        one = _binomial(1 << int(count.max()).bit_length(), chance)[count]
        chance_of = np.stack(
            [(chance_of[:, : k + 1] * one[:, k::-1]).sum(axis=1) for k in ahead], axis=1
        )
    return chance_of[:, 0], chance_of @ ndcg10(ahead + 1)


@lru_cache(maxsize=128)
def _binomial(trials: int, chance: float) -> np.ndarray:
    """The chances of 0 to 9 successes, for each number of trials from 0 to `trials`: (trials + 1,
    10)."""
    from scipy import stats

    return stats.binom.pmf(np.arange(10), np.arange(trials + 1)[:, None], chance)


def neighbours_kept(fitted: Maps, side: str, rows: np.ndarray) -> float:
    """The share of an item's 10 nearest neighbours in its own modality, by cosine, that remain
    after a map, as the mean over items."""
    moved = unit(fitted.vectors(side, rows))
    return float(shared_neighbours(rows @ rows.T, moved @ moved.T).mean())


def shared_neighbours(own_x: np.ndarray, own_y: np.ndarray) -> np.ndarray:
    """For each item, the share of its 10 nearest neighbours that are the same in both modalities,
    (n,). `own_x` and `own_y` (n, n) are the cosines within each modality."""
    k = min(NEIGHBOURS, len(own_x) - 1)
    return (neighbours(own_x, k) & neighbours(own_y, k)).sum(axis=1) / k


def neighbours(scores: np.ndarray, k: int) -> np.ndarray:
    """Which scores (n, n) are among the k highest of their row, if the diagonal is left out."""
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    return among_first(scores, k)


def among_first(scores: np.ndarray, k: int) -> np.ndarray:
    """Which scores (n, m) are among the k highest of their row. Equal scores keep their order."""
    if k >= scores.shape[1]:
        return np.ones(scores.shape, dtype=bool)
    least = np.partition(scores, -k, axis=1)[:, -k:].min(axis=1, keepdims=True)
    above, equal = scores > least, scores == least
    left = k - above.sum(axis=1, keepdims=True)
    return above | (equal & (equal.cumsum(axis=1) <= left))


def hub_skewness(scores: np.ndarray, k: int = NEIGHBOURS) -> float:
    """The population skewness of the number of queries for which an item is among the k nearest."""
    return skewness(times_found(scores, k).sum(axis=0))


def times_found(scores: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Whether each item is among the k nearest of each query: an array (n, items) of 0 or 1."""
    return among_first(scores, k).astype(int)


def skewness(counts: np.ndarray) -> float:
    """Population skewness of counts (n,), 0 where all are equal."""
    return float(skewnesses(counts[None])[0])


def skewnesses(counts: np.ndarray) -> np.ndarray:
    """Population skewness (m,) of each row of counts (m, n), 0 where all are equal."""
    return _standard_moments(counts, 3)


def kurtoses(counts: np.ndarray) -> np.ndarray:
    """Population excess kurtosis (m,) of each row of counts (m, n), 0 where all are equal."""
    return np.where(np.ptp(counts, axis=1) > 0, _standard_moments(counts, 4) - 3, 0.0)


def deviations(counts: np.ndarray) -> np.ndarray:
    """Mean absolute deviation (m,) from the mean of each row of counts (m, n)."""
    return np.abs(counts - counts.mean(axis=1, keepdims=True)).mean(axis=1)


def _standard_moments(counts: np.ndarray, order: int) -> np.ndarray:
    centred = counts - counts.mean(axis=1, keepdims=True)
    spread = (centred**2).mean(axis=1)
    powers = (centred**order).mean(axis=1)
    return np.divide(powers, spread ** (order / 2), out=np.zeros(len(counts)), where=spread > 0)


def geometry(fitted: Maps, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """T6: the geometry of the scored pairs after the method has moved them. The values are the gap,
    the squared gap without bias, the relative gap, the contrastive loss of all pairs at
    LOSS_TEMPERATURE, the cosine of partners, and separability (fitted on the first half of the
    pairs, scored on the second). Two shares of the 10 nearest neighbours follow: those that are the
    same in both modalities and, for each modality, those that the method keeps. All are of unit
    vectors, also for a method that does not normalise."""
    x, y = unit(fitted.vectors("x", a)), unit(fitted.vectors("y", b))
    n = len(x)
    difference = x - y
    mean = difference.mean(axis=0)
    spread = ((difference - mean) ** 2).sum() / (n - 1)
    partners = (difference**2).sum(axis=1).mean() / 2
    return {
        "gap": float(np.linalg.norm(mean)),
        "gap_squared": float(mean @ mean - spread / n),
        "relative_gap": float(relative_gap(partners, (mean_cosine(x) + mean_cosine(y)) / 2)),
        "loss": contrastive_loss(x @ y.T / LOSS_TEMPERATURE),
        "partner_cosine": float((x * y).sum(axis=1).mean()),
        "separability": separability_of_halves(x, y),
        "mutual_knn": float(shared_neighbours(x @ x.T, y @ y.T).mean()),
        "neighbours_kept_x": neighbours_kept(fitted, "x", a),
        "neighbours_kept_y": neighbours_kept(fitted, "y", b),
    }


def contrastive_loss(logits: np.ndarray) -> float:
    """The mean cross-entropy of both directions, from scaled cosines (n, n). All pairs are in one
    batch."""
    from scipy.special import logsumexp

    partners = np.diagonal(logits)
    sums = [logsumexp(logits, axis=axis) for axis in (0, 1)]
    return float((sums[0] + sums[1]).mean() / 2 - partners.mean())


def separability_of_halves(x: np.ndarray, y: np.ndarray) -> float:
    """The share of the second half of the pairs x, y (n, d) that a logistic regression assigns to
    the right modality. The regression is fitted on the first half."""
    from sklearn.linear_model import LogisticRegression

    n = len(x)
    rows, of = np.concatenate([x, y]), np.repeat([0, 1], n)
    fits = np.tile(np.arange(n) < n // 2, 2)
    model = LogisticRegression(max_iter=1000).fit(rows[fits], of[fits])
    return float(model.score(rows[~fits], of[~fits]))


def robustness(fitted: Maps, a: np.ndarray, b: np.ndarray, seed: int) -> Iterator[tuple[str, dict]]:
    """T7: how retrieval changes with noise, as the means of `with_noise`, by direction."""
    for direction, values in with_noise(fitted, a, b, seed):
        yield direction, {name: float(value.mean()) for name, value in values.items()}


def with_noise(fitted: Maps, a: np.ndarray, b: np.ndarray, seed: int) -> Iterator[tuple[str, dict]]:
    """Three truth values for each direction and query (n,), with Gaussian noise of variance 1e-4
    and 1e-3 on the moved gallery: whether the nearest item stays the same, whether it is the
    partner, and whether it is also the nearest item without the method and without noise."""
    sides = {"x": a, "y": b}
    for q, z in (("x", "y"), ("y", "x")):
        plain = (sides[q] @ sides[z].T).argmax(axis=1)
        queries, gallery = fitted.vectors(q, sides[q]), fitted.vectors(z, sides[z])
        clean = (queries @ gallery.T).argmax(axis=1)
        values: dict[str, np.ndarray] = {}
        for variance in (1e-4, 1e-3):
            noise = np.random.default_rng(seed).normal(0, np.sqrt(variance), gallery.shape)
            found = (queries @ (gallery + noise).T).argmax(axis=1)
            values |= {
                f"stays_{variance:g}": found == clean,
                f"recall1_{variance:g}": found == np.arange(len(found)),
                f"unmoved_{variance:g}": found == plain,
            }
        yield q + z, values


def on_pairs(fitted: Fitted, a: np.ndarray, b: np.ndarray) -> list[tuple[str, str, str, float]]:
    """All tasks on pairs, as rows (task, direction, metric, value). A method without scores within
    a modality has no mixed galleries. A method that moves no vectors has no geometry."""
    rows = []
    for one in directions(fitted, a, b):
        tasks = {"T1": cross_modal(one)}
        if one.own is not None:
            tasks |= {"T2a": mixed_gallery(one), "T2b": u_curve(one)}
        tasks["T6"] = {"hub_skewness10": hub_skewness(one.across)}
        rows += [(task, one.name, *item) for task, of in tasks.items() for item in of.items()]
    if isinstance(fitted, Maps):
        rows += [("T6", "both", *item) for item in geometry(fitted, a, b).items()]
    return rows
