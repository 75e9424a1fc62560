"""The path of a shift through the principal components of a set (Figure 3(a))."""

import numpy as np
import pandas as pd

from modality_gap.measures.gap import gap
from modality_gap.measures.projection import principal_components
from modality_gap.measures.shift import shift, unit_gap_vector

COLUMNS = ["side", "delta", "pc_1", "pc_2", "share_1", "share_2", "share_first_6", "n"]
# Of the gap: from half of it wider to the centres' exchange and as far beyond.
FRACTIONS = np.linspace(-0.5, 1.5, 9)


def pca_with_shifts(x: np.ndarray, y: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A set's part of pca.parquet and of pca_shifts.csv, of unit vectors x, y (n, d).

    The first has each vector on the first two principal components of all 2n: side (a or b), pc_1,
    pc_2. The second has each side's centre after every shift, half of delta on either side, and the
    components' shares of the variance; it is empty where there is no gap to shift along.
    """
    centre, components, shares = principal_components(np.concatenate([x, y]), 2)
    points = []
    for side, vectors in {"a": x, "b": y}.items():
        placed = (vectors - centre) @ components.T
        points.append(pd.DataFrame({"side": side, "pc_1": placed[:, 0], "pc_2": placed[:, 1]}))
    distance, shifts = gap(x, y), []
    direction = unit_gap_vector(x, y) if distance else np.zeros(x.shape[1])
    for fraction in FRACTIONS if distance else ():
        for side, vectors, sign in (("a", x, -1), ("b", y, 1)):
            moved = shift(vectors, direction, sign * fraction * distance / 2).mean(axis=0)
            placed = (moved - centre) @ components.T
            shifts.append(
                {
                    "side": side,
                    "delta": fraction * distance,
                    "pc_1": placed[0],
                    "pc_2": placed[1],
                    "share_1": shares[0],
                    "share_2": shares[1],
                    "share_first_6": shares[:6].sum(),
                    "n": len(x),
                }
            )
    return pd.concat(points), pd.DataFrame(shifts, columns=None if shifts else COLUMNS)
