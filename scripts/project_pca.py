"""PCA of the trained sets and the path of a shift through it (Figure 3(a))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np
import pandas as pd

from modality_gap.contrastive import shift, unit_gap_vector
from modality_gap.embedding_set import open_pairs
from modality_gap.gap import gap
from modality_gap.projection import principal_components
from modality_gap.tiles import sample_rows

points, shifts = [], []
for name, x, y in open_pairs(snakemake.params.sets, snakemake.input.pairs):
    some = sample_rows(len(x), snakemake.params.sample, snakemake.params.seed)
    x, y = x[some], y[some]
    centre, components, shares = principal_components(np.concatenate([x, y]), 2)
    for side, vectors in {"a": x, "b": y}.items():
        placed = (vectors - centre) @ components.T
        points.append(
            pd.DataFrame({"set": name, "side": side, "pc_1": placed[:, 0], "pc_2": placed[:, 1]})
        )
    # From no shift to the one that exchanges the centres: where the shift takes them.
    direction, distance = unit_gap_vector(x, y), gap(x, y)
    for fraction in np.linspace(-0.5, 1.5, 9):
        for side, vectors, sign in (("a", x, -1), ("b", y, 1)):
            moved = shift(vectors, direction, sign * fraction * distance / 2).mean(axis=0)
            placed = (moved - centre) @ components.T
            shifts.append(
                {
                    "set": name,
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
pd.concat(points).to_parquet(snakemake.output.points, index=False)
pd.DataFrame(shifts).to_csv(snakemake.output.shifts, index=False)
