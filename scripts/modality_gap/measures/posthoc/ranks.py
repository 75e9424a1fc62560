"""Ranks of wanted items by score, and the measures based on ranks.

A rank is 1, plus the number of items with a higher score, plus the number of items with the same
score in an earlier column.
"""

import numpy as np

from modality_gap.measures.retrieval import TIE, identical_rows

LEAST_RECALL = 0.05  # least recall at 1 for a comparison; below it, a few pairs decide
MARGIN = 0.03  # smaller differences in recall count as unchanged


def beats(scores: np.ndarray, wanted: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Which items (n, k) rank before the wanted one, by scores (n, k): items with a higher score,
    and items with the same score in an earlier column. The wanted item is in column `place` (n,)
    and has the score `wanted` (n,). It never beats itself."""
    columns, place = np.arange(scores.shape[1]), place[:, None]
    slack = np.where(columns < place, -TIE, TIE)
    return (scores > wanted[:, None] + slack) & (columns != place)


def ranks_of(scores: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The rank (n,) of the item in column `place` (n,), for each row of scores (n, k)."""
    wanted = scores[np.arange(len(scores)), place]
    return 1 + beats(scores, wanted, place).sum(axis=1)


def partner_ranks(scores: np.ndarray) -> np.ndarray:
    """The rank (n,) of each query's partner. The partner of query i is item i of scores (n, n)."""
    return ranks_of(scores, np.arange(len(scores)))


def group_ranks(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """For each row of scores (n, k), the rank of the best of several wanted items among all
    unwanted items, (n,). `own` (n, k) marks the wanted items, at least one per row."""
    rows = np.arange(len(scores))
    best = np.where(own, scores, -np.inf)
    place = best.argmax(axis=1)
    others = np.where(own, -np.inf, scores)
    others[rows, place] = best[rows, place]
    return ranks_of(others, place)


def ndcg10(ranks: np.ndarray) -> np.ndarray:
    """NDCG at 10 with one relevant item: 1 / log2(1 + rank), and 0 for ranks above 10."""
    return np.where(ranks <= 10, 1 / np.log2(1.0 + ranks), 0.0)


def recall_both_ways(scores: np.ndarray, own: np.ndarray) -> float:
    """Recall at 1, as the mean of both directions, by scores (n, k) of items x and y. `own` (n, k)
    says which items are partners, as from `different_items`."""
    to_y, to_x = group_ranks(scores, own), group_ranks(scores.T, own.T)
    return float(((to_y == 1).mean() + (to_x == 1).mean()) / 2)


def different_items(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct vectors on each side of pairs x, y (n, d), and which of them are partners. All
    captions of a picture are its partners, and all items of a class are partners of its prompt."""
    sides, places = [], []
    for side in (x, y):
        rows, place = np.unique(identical_rows(side), return_inverse=True)
        sides.append(side[rows])
        places.append(place)
    own = np.zeros((len(sides[0]), len(sides[1])), dtype=bool)
    own[places[0], places[1]] = True
    return sides[0], sides[1], own
