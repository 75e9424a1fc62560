"""Reading vectors in tiles of rows, so that memory does not grow with the set.

Vectors are an array (n, d), or any object of that shape that returns an array for `x[start:stop]`
and `x[rows]`. One example is StoredVectors (embeddings/stored.py), which reads from its file.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice

import numpy as np

AHEAD = 2  # tiles that are read ahead
TILE = 8192  # rows: 32 MB of float64 at 512 dimensions
READ = 1024  # rows of a file at a time: 2 MB of float32, which stay in a core's cache


def tiles(*sides: np.ndarray, size: int = TILE) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields `size` rows of each side (n, d) at a time. The next two tiles are read ahead: one tile
    comes from the disk while another is normalised."""

    def read(start: int) -> tuple[np.ndarray, ...]:
        return tuple(side[start : start + size] for side in sides)

    with ThreadPoolExecutor(AHEAD) as pool:
        yield from map_ahead(pool, read, range(0, len(sides[0]), size), AHEAD)


def map_ahead(pool: Executor, work: Callable, items: Iterable, ahead: int) -> Iterator:
    """`pool.map(work, items)`, but at most `ahead` items are started before their results are
    taken."""
    items = iter(items)
    following = deque(pool.submit(work, item) for item in islice(items, ahead))
    while following:
        current = following.popleft().result()
        following.extend(pool.submit(work, item) for item in islice(items, 1))
        yield current


def chosen(clusters: np.ndarray | None, rows: slice | np.ndarray) -> np.ndarray | None:
    """The clusters (n,) of some rows, renumbered from 0; None if there are no clusters."""
    return None if clusters is None else np.unique(clusters[rows], return_inverse=True)[1]


def sample_rows(n: int, most: int, seed: int) -> slice | np.ndarray:
    """A random sample of `most` of n rows, in ascending order; all rows if n is not above
    `most`."""
    if n <= most:
        return slice(None)
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])
