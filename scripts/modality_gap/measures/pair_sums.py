"""Sums over pairs, and the gap, mean cosines, intervals and covariances that follow from them.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair. The sums of
the parts of a set can be added up. So each part is read once, in any order, and a part that is
added later leaves the others as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from modality_gap.embeddings.sets import normalise
from modality_gap.measures.gap import NO_GAP
from modality_gap.measures.gap_intervals import gap_columns, squared_interval, unbiased_squares
from modality_gap.measures.intervals import check_units, t_quantile


@dataclass(frozen=True)
class PairSums:
    """Sums over pairs of vectors x, y and their differences D = x - y. `x`, `y` (d,) are sums over
    all n pairs. The other sums say how much the vectors vary. They are over m of the pairs, which
    are all pairs or some at random.

    `mx`, `my` (d,) are the sums of the vectors. `xx`, `yy`, `dd` (d, d) are the sums of the
    products of x, y and D with themselves. `lengths` and `fourth` are the sums of the squares and
    the fourth powers of the lengths of D. `weighted` (d,) is the sum of D times its squared length.
    Two PairSums are added with +.
    """

    n: int
    x: np.ndarray
    y: np.ndarray
    m: int
    mx: np.ndarray
    my: np.ndarray
    xx: np.ndarray
    yy: np.ndarray
    dd: np.ndarray
    lengths: float
    fourth: float
    weighted: np.ndarray

    def __add__(self, other: "PairSums") -> "PairSums":
        names = (field.name for field in fields(self))
        return PairSums(*(getattr(self, name) + getattr(other, name) for name in names))

    def arrays(self) -> dict[str, np.ndarray]:
        """The sums by their names, for a file."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "PairSums":
        """The sums from their arrays by name: the inverse of `arrays`."""
        values: list[Any] = [arrays[field.name] for field in fields(cls)]
        return cls(*(value if value.ndim else value.item() for value in values))


def sum_pairs(a: np.ndarray, b: np.ndarray) -> PairSums:
    """The sums of pairs whose vectors a, b (n, d) may have any length except 0. Here m is n.

    Sums are in float64. Products are in float32, and of the deviations from the centre of these
    rows, because only intervals and covariances need them. This takes half the time of float64, and
    changes the width of an interval by less than one part in 10,000.
    """
    x, y = normalise(a), normalise(b)
    n, apart = len(x), x - y
    lengths = np.einsum("ij,ij->i", apart, apart)
    of_x, of_y = x.sum(axis=0), y.sum(axis=0)
    return PairSums(
        n,
        of_x,
        of_y,
        n,
        of_x,
        of_y,
        _products(x, of_x),
        _products(y, of_y),
        _products(apart, of_x - of_y),
        float(lengths.sum()),
        float(lengths @ lengths),
        lengths @ apart,
    )


def sum_of_units(rows: np.ndarray) -> np.ndarray:
    """The sum (d,), in float64, of the rows (n, d), each divided by its length. It is not finite if
    a row has no direction. It is computed fastest if the rows' float64 copy fits in a core's
    cache."""
    block = rows.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (1 / np.sqrt(np.einsum("ij,ij->i", block, block))) @ block


def _products(rows: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The sum (d, d) of the products of rows (m, d) with themselves. `total` (d,) is the sum of the
    rows."""
    deviations = (rows - total / len(rows)).astype(np.float32)
    return (deviations.T @ deviations).astype(np.float64) + np.outer(total, total) / len(rows)


def total_of(parts: Iterable[PairSums]) -> PairSums:
    """The sums of all parts, added up in the order of the parts."""
    parts = iter(parts)
    total = next(parts)
    for part in parts:
        total = total + part
    return total


def gap_vector_of(sums: PairSums) -> np.ndarray:
    """The gap vector (d,): the difference of the two modalities' centres."""
    return sums.x / sums.n - sums.y / sums.n


def gap_of(sums: PairSums) -> float:
    """The length of the gap vector. A length that is only rounding error is returned as 0, as in
    `gap.gap`."""
    length = float(np.linalg.norm(gap_vector_of(sums)))
    return length if length > NO_GAP else 0.0


def measure_gap_of(sums: PairSums, confidence: float) -> dict[str, float]:
    """The columns of `gap_intervals.measure_gap`, computed from sums, with intervals over pairs."""
    check_units(sums.m)
    m, gap_vector = sums.m, gap_vector_of(sums)
    centre = (sums.mx - sums.my) / m
    length = float(centre @ centre)
    # Moments of the m differences about their centre, from those about 0.
    product = sums.dd - m * np.outer(centre, centre)
    fourth = (
        sums.fourth
        + 4 * float(centre @ sums.dd @ centre)
        - 3 * m * length**2
        - 4 * float(centre @ sums.weighted)
        + 2 * length * sums.lengths
    )
    trace = (sums.lengths - m * length) / (m - 1)
    squared = squared_interval(
        float(gap_vector @ gap_vector),
        float(gap_vector @ product @ gap_vector) / (m - 1),
        trace,
        unbiased_squares(trace, fourth / (m - 1), float((product**2).sum()) / (m - 1) ** 2, m),
        sums.n,
        confidence,
    )
    return gap_columns(gap_of(sums), *squared)


def mean_cosine_of(sums: PairSums, side: str, confidence: float) -> tuple[float, float, float]:
    """The mean cosine of two different items of a modality, "a" or "b", and its interval by the
    jackknife over items. Both are as in `gap.mean_cosine` and `gap_intervals.mean_cosine_interval`.

    Let T be the sum of all vectors, and S their covariance. Leaving out item i changes the mean
    cosine by -2 x_i.T / ((n - 1) (n - 2)) and a constant. The variance of x_i.T is T'ST.
    """
    n = sums.n
    check_units(sums.m)
    total = {"a": sums.x, "b": sums.y}[side]
    mean = (float(total @ total) - n) / (n * (n - 1))
    if n < 3:
        return mean, np.nan, np.nan
    spread = max(0.0, float(total @ covariance_of(sums, side) @ total))
    error = np.sqrt((n - 1) / n * spread * (n - 1)) * 2 / ((n - 1) * (n - 2))
    margin = t_quantile(confidence, n) * error
    return mean, float(mean - margin), float(mean + margin)


def covariance_of(sums: PairSums, side: str) -> np.ndarray:
    """The covariance (d, d) of the vectors of a modality, "a" or "b"."""
    total, product = {"a": (sums.mx, sums.xx), "b": (sums.my, sums.yy)}[side]
    return (product - np.outer(total, total) / sums.m) / (sums.m - 1)
