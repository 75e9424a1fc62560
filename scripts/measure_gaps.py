"""Gap, cosines, recall and separability of every set (Figure 1): gap.csv."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np
import pandas as pd

from modality_gap.cone import cosine_distribution
from modality_gap.embedding_set import StoredVectors, open_pairs
from modality_gap.gap import (
    gap_interval,
    gap_vector,
    largest_share,
    linear_separability,
    mean_cosine_interval,
    partner_ranks,
    proportion_interval,
)
from modality_gap.tiles import sample_rows

confidence, sample, seed = (snakemake.params[key] for key in ("confidence", "sample", "seed"))


def measure(x: StoredVectors, y: StoredVectors) -> dict:
    """Every statistic of one set of unit vectors x, y (n, d), the separability of a sample."""
    vector = gap_vector(x, y)
    row = {"n": len(x), "dim": x.shape[1], "gap": float(np.linalg.norm(vector))}
    row["gap_low"], row["gap_high"] = gap_interval(x, y, confidence)
    for side, vectors in {"a": x, "b": y}.items():
        cosines = cosine_distribution(vectors, bins=1, threads=snakemake.threads)
        low, high = mean_cosine_interval(vectors, confidence)
        row |= {
            f"mean_cosine_{side}": cosines.mean,
            f"mean_cosine_{side}_low": low,
            f"mean_cosine_{side}_high": high,
            f"min_cosine_{side}": cosines.minimum,
        }
    ranks = dict(zip(("ab", "ba"), partner_ranks(x, y), strict=True))
    for k in (1, 5, 10):
        for direction, rank in ranks.items():
            found = int((rank < k).sum())
            low, high = proportion_interval(found, len(x), confidence)
            name = f"recall{k}_{direction}"
            row |= {name: found / len(x), f"{name}_low": low, f"{name}_high": high}
    some = sample_rows(len(x), sample, seed)
    row["separability"], row["separability_n"] = linear_separability(x[some], y[some], seed)
    row["largest5_share"] = largest_share(vector)
    return row


sets = snakemake.params.sets
rows = [
    {"set": name, "model": sets[name][0], "weights": sets[name][1], **measure(x, y)}
    for name, x, y in open_pairs(sets, snakemake.input.pairs)
]
pd.DataFrame(rows).to_csv(snakemake.output[0], index=False)
