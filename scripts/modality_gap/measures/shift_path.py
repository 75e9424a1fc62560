"""The path of a shift through the principal components of a set (Figure 3(a))."""

import numpy as np
import pandas as pd

from modality_gap.measures.gap import gap
from modality_gap.measures.projection import principal_components
from modality_gap.measures.shift import shift, unit_gap_vector

COLUMNS = [
    "side",
    "delta",
    "along_gap",
    "across_gap",
    "pc_1",
    "pc_2",
    "share_1",
    "share_2",
    "share_first_6",
    "n",
]
# Of the gap: from half of it wider to the centres' exchange and as far beyond.
FRACTIONS = np.linspace(-0.5, 1.5, 9)


def pca_with_shifts(x: np.ndarray, y: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a set in pca.parquet and in pca_shifts.csv, for unit vectors x, y (n, d).

    The first table has two coordinates of each vector, minus the mean of all 2n vectors: along the
    gap, and along the direction of most variance perpendicular to it. Columns: side (a or b),
    along_gap, across_gap. The second table has the centre of each side after every shift (half of
    delta on each side). It gives the centre in the same plane and on the first two principal
    components of all 2n vectors, with the components' shares of the variance. It is empty if there
    is no gap to shift along.
    """
    both = np.concatenate([x, y])
    centre, components, shares = principal_components(both, 2)
    distance, shifts = gap(x, y), []
    direction = unit_gap_vector(x, y) if distance else np.zeros(x.shape[1])
    plane = _plane_of_gap(both - centre, direction)
    points = []
    for side, vectors in {"a": x, "b": y}.items():
        placed = (vectors - centre) @ plane.T
        points.append(
            pd.DataFrame({"side": side, "along_gap": placed[:, 0], "across_gap": placed[:, 1]})
        )
    for fraction in FRACTIONS if distance else ():
        for side, vectors, sign in (("a", x, -1), ("b", y, 1)):
            moved = shift(vectors, direction, sign * fraction * distance / 2).mean(axis=0)
            along, across = plane @ (moved - centre)
            placed = (moved - centre) @ components.T
            shifts.append(
                {
                    "side": side,
                    "delta": fraction * distance,
                    "along_gap": along,
                    "across_gap": across,
                    "pc_1": placed[0],
                    "pc_2": placed[1],
                    "share_1": shares[0],
                    "share_2": shares[1],
                    "share_first_6": shares[:6].sum(),
                    "n": len(x),
                }
            )
    return pd.concat(points), pd.DataFrame(shifts, columns=None if shifts else COLUMNS)


def _plane_of_gap(centred: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The unit gap vector and the first principal component perpendicular to it, (2, d), for
    centred vectors (n, d). If there is no gap, the direction is zero."""
    rest = centred - np.outer(centred @ direction, direction)
    return np.stack([direction, principal_components(rest, 1)[1][0]])
