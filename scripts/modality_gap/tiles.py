"""A set of vectors a tile of rows at a time, so that memory does not grow with the set.

What is gone through is an array (n, d), or anything of that shape that gives an array for
`x[start:stop]` and `x[rows]`: embedding_set.StoredVectors reads them from its file.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

TILE = 8192  # rows: 32 MB of float64 at 512 dimensions


def tiles(*sides: np.ndarray, size: int = TILE) -> Iterator[tuple[np.ndarray, ...]]:
    """`size` rows of every one of the sides (n, d) at once; the next ones are read meanwhile."""

    def read(start: int) -> tuple[np.ndarray, ...]:
        return tuple(side[start : start + size] for side in sides)

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(read, 0)
        for start in range(size, len(sides[0]), size):
            current, following = following, pool.submit(read, start)
            yield current.result()
        yield following.result()


def sample_rows(n: int, most: int, seed: int) -> slice | np.ndarray:
    """All of n rows, or a random `most` of them in their order."""
    if n <= most:
        return slice(None)
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])
