"""What is measured of a whole set: a row of gap.csv, and the rows of two comparisons of encoders.

x, y: (n, d) unit vectors (float64) of the two modalities, row i of both is one pair; arrays, or
StoredVectors, of which a tile is in memory at a time.
"""

import numpy as np

from modality_gap.cone import cosine_distribution
from modality_gap.gap import (
    gap,
    gap_interval,
    gap_vector,
    largest_share,
    linear_separability,
    mean_cosine,
    mean_cosine_interval,
    partner_ranks,
    proportion_interval,
)
from modality_gap.tiles import sample_rows, tiles

RECALLS_AT = 1, 5, 10


def measure_set(
    x: np.ndarray, y: np.ndarray, confidence: float, sample: int, seed: int, threads: int = 1
) -> dict:
    """A row of gap.csv: every statistic of one set, the separability of a sample of its pairs.

    _a and _b are the first and the second modality; recallK_ab is the share of items of the first
    whose partner is among the K nearest of the second. Source: Figure 1.
    """
    vector = gap_vector(x, y)
    row = {"n": len(x), "dim": x.shape[1], "gap": float(np.linalg.norm(vector))}
    row["gap_low"], row["gap_high"] = gap_interval(x, y, confidence)
    for side, vectors in {"a": x, "b": y}.items():
        cosines = cosine_distribution(vectors, bins=1, threads=threads)
        low, high = mean_cosine_interval(vectors, confidence)
        row |= {
            f"mean_cosine_{side}": cosines.mean,
            f"mean_cosine_{side}_low": low,
            f"mean_cosine_{side}_high": high,
            f"min_cosine_{side}": cosines.minimum,
        }
    ranks = dict(zip(("ab", "ba"), partner_ranks(x, y), strict=True))
    for k in RECALLS_AT:
        for direction, rank in ranks.items():
            found = int((rank < k).sum())
            low, high = proportion_interval(found, len(x), confidence)
            name = f"recall{k}_{direction}"
            row |= {name: found / len(x), f"{name}_low": low, f"{name}_high": high}
    some = sample_rows(len(x), sample, seed)
    row["separability"], row["separability_n"] = linear_separability(x[some], y[some], seed)
    row["largest5_share"] = largest_share(vector)
    return row


def measure_normalisation(
    spec: dict, x: np.ndarray, y: np.ndarray, confidence: float, sample: int, seed: int
) -> dict:
    """A row of normalisation.csv, of an encoder whose entry in the config is `spec`: what of its
    normalisation is on, gap, mean cosines, and the separability of a sample. Source: Supplementary
    15."""
    low, high = gap_interval(x, y, confidence)
    row = {
        "norm_layers": spec.get("norm_layers", True),
        "input_normalisation": spec.get("input_normalisation", True),
        "n": len(x),
        "gap": gap(x, y),
        "gap_low": low,
        "gap_high": high,
    }
    for side, vectors in {"a": x, "b": y}.items():
        low, high = mean_cosine_interval(vectors, confidence)
        row |= {
            f"mean_cosine_{side}": mean_cosine(vectors),
            f"mean_cosine_{side}_low": low,
            f"mean_cosine_{side}_high": high,
        }
    some = sample_rows(len(x), sample, seed)
    row["separability"], row["separability_n"] = linear_separability(x[some], y[some], seed)
    return row


def measure_preprocessing(
    spec: dict,
    x: np.ndarray,
    y: np.ndarray,
    first: np.ndarray,
    confidence: float,
    threads: int = 1,
) -> dict:
    """A row of preprocessing.csv, of an encoder whose entry in the config is `spec`: cone and gap
    of its pictures x and texts y, and the mean cosine of each picture with itself in `first` (n,
    d), the pictures of the first encoder compared. Source: Figure 2(a)."""
    cosines = cosine_distribution(x, bins=1, threads=threads)
    low, high = mean_cosine_interval(x, confidence)
    gap_low, gap_high = gap_interval(x, y, confidence)
    return {
        "statistics": spec.get("preprocessing", "own"),
        "n": len(x),
        "mean_cosine": cosines.mean,
        "mean_cosine_low": low,
        "mean_cosine_high": high,
        "min_cosine": cosines.minimum,
        "gap": gap(x, y),
        "gap_low": gap_low,
        "gap_high": gap_high,
        "same_picture_cosine": float(sum((a * b).sum() for a, b in tiles(x, first)) / len(x)),
    }
