"""Retrieval: for an item, how many items of the other modality are nearer to it than its partner.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair. They are
arrays, or StoredVectors, which hold one tile in memory at a time. `clusters` (n,) as in
gap_intervals.py.
"""

from functools import partial
from hashlib import blake2b

import numpy as np

from modality_gap.data.tiles import TILE, tiles
from modality_gap.measures import on_gpu
from modality_gap.measures.intervals import share_interval

TIE = 1e-12  # cosines closer than this are equal: rounding is smaller


def identical_rows(x: np.ndarray) -> np.ndarray:
    """For each row of x (n, d), the index of the first row that is identical to it, (n,)."""
    hashes = np.fromiter(
        (
            int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest())
            for (rows,) in tiles(x)
            for row in rows
        ),
        np.uint64,
        len(x),
    )
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    return first[group]


def times_in_cluster(x: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """For each row of x (n, d), the number of identical rows in its cluster, including itself,
    (n,). For example, a picture with five captions is one item that occurs five times. The numbers
    are 1 if there are no clusters."""
    if clusters is None:
        return np.ones(len(x))
    both = np.stack([identical_rows(x), clusters], axis=1)
    _, item, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    return counts[item.ravel()]


def partner_ranks(
    x: np.ndarray,
    y: np.ndarray,
    tile: int = TILE,
    width: int = 1024,
    first: tuple[np.ndarray, np.ndarray] | None = None,
    times: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """For each item of x, the number of items of y that are nearer to it, by cosine, than its own
    partner; and the same from y to x. Returns two arrays of integers, (items of x,) and (items of
    y,). No more than `tile` x `width` cosines are in memory.

    Identical rows of a side are one item. The item has the place of the first of these rows, and
    the partners of all of them: a picture that occurs five times, each time with another caption,
    looks for any of the five captions. An item as near as the partner counts if it comes before the
    partner. `first` are the `identical_rows` of both sides, if they are known. `times` is how many
    calls with this number of pairs the caller makes; the choice of the device depends on it.
    """
    count = count_nearer
    if device := on_gpu.device_for(times * len(x) * len(y)):
        count, width = partial(on_gpu.count_nearer, tie=TIE, device=device), on_gpu.SIDE
    first_x, first_y = first or (identical_rows(x), identical_rows(y))
    own = np.concatenate([(of_x * of_y).sum(axis=1) for of_x, of_y in tiles(x, y)])
    rows = np.arange(len(x))
    is_x, is_y = first_x == rows, first_y == rows
    # The nearest partner of each item, and the row where it stands.
    own_x, place_x = _nearest_partner(own, first_x, first_y)
    own_y, place_y = _nearest_partner(own, first_y, first_x)
    ranks_x, ranks_y = np.zeros((2, len(x)), dtype=np.int64)
    for i, of_x in tiles(rows, x, size=tile):
        i, of_x = i[is_x[i]], of_x[is_x[i]]
        for j, of_y in tiles(rows, y, size=width):
            j, of_y = j[is_y[j]], of_y[is_y[j]]
            if not (len(i) and len(j)):
                continue
            partners = (own_x[i], place_x[i], i), (own_y[j], place_y[j], j)
            nearer_to_x, nearer_to_y = count(of_x, of_y, *partners)
            ranks_x[i] += nearer_to_x
            ranks_y[j] += nearer_to_y
    return ranks_x[is_x], ranks_y[is_y]


def count_nearer(
    of_x: np.ndarray,
    of_y: np.ndarray,
    partner_of_x: tuple[np.ndarray, np.ndarray, np.ndarray],
    partner_of_y: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """For each of some items of x, how many of some items of y are nearer to it than its partner;
    and the same from y to x. `partner_of_...` has three values for each item: the cosine to its
    partner, the partner's row and the item's row."""
    own_x, place_x, i = partner_of_x
    own_y, place_y, j = partner_of_y
    cosines = of_x @ of_y.T
    nearer = cosines > own_x[:, None] + _slack(place_x[:, None], j)
    of_rows = np.count_nonzero(nearer, axis=1)
    nearer = cosines > own_y + _slack(place_y, i[:, None])
    return of_rows, np.count_nonzero(nearer, axis=0)


def _nearest_partner(
    own: np.ndarray, first: np.ndarray, partner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The cosine of each item's nearest partner, and this partner's row (the first, if several are
    equally near). Both are stored at the item's first row. `own` (n,) are the cosines of all
    partners."""
    nearest = np.full(len(own), -np.inf)
    np.maximum.at(nearest, first, own)
    place = np.full(len(own), len(own))
    near = own >= nearest[first] - TIE
    np.minimum.at(place, first[near], partner[near])
    return nearest, place


def _slack(own: np.ndarray, other: np.ndarray) -> np.ndarray | float:
    """How much larger than the partner's a cosine must be to count as nearer. If the row `other` is
    the partner's or comes after it, the cosine must be larger by more than rounding. If the row
    comes before the partner's, a tie is enough."""
    if own.max() <= other.min():
        return TIE
    if own.min() > other.max():
        return -TIE
    return np.where(own <= other, TIE, -TIE)


def recall_at(x: np.ndarray, y: np.ndarray, k: int, tile: int = TILE) -> tuple[float, float]:
    """Recall at k: the share of items of x that have a partner among the k nearest items of y, by
    cosine; and the same from y to x. Items are those of `partner_ranks`."""
    to_y, to_x = (int((ranks < k).sum()) / len(ranks) for ranks in partner_ranks(x, y, tile))
    return to_y, to_x


def measure_recall(
    x: np.ndarray,
    y: np.ndarray,
    confidence: float,
    clusters: np.ndarray | None = None,
    ks: tuple[int, ...] = (1, 5, 10),
) -> dict[str, float]:
    """Columns of a table: recall in both directions at each of `ks`, with intervals; the number of
    items of each side, with identical rows counted once; and recall@1 by chance. Recall@1 by chance
    is the mean share of a side's items that are partners of an item of the other side."""
    first_x, first_y = identical_rows(x), identical_rows(y)
    rows = np.arange(len(x))
    items = {"a": np.flatnonzero(first_x == rows), "b": np.flatnonzero(first_y == rows)}
    row: dict[str, float] = {f"recall_items_{side}": len(its) for side, its in items.items()}
    matches = len(set(zip(first_x.tolist(), first_y.tolist(), strict=True)))
    chance = matches / (len(items["a"]) * len(items["b"]))
    row["recall1_chance"] = chance
    of_both_directions = partner_ranks(x, y, first=(first_x, first_y))
    ranks = dict(zip(("ab", "ba"), of_both_directions, strict=True))
    for k in ks:
        for direction, rank in ranks.items():
            of_item = None if clusters is None else clusters[items[direction[0]]]
            hits = rank < k
            low, high = share_interval(hits, confidence, of_item)
            name = f"recall{k}_{direction}"
            row |= {name: int(hits.sum()) / len(hits), f"{name}_low": low, f"{name}_high": high}
    return row
