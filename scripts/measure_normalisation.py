"""Gap of an untrained model with and without its normalisations (Supplementary 15)."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.embedding_set import open_pairs
from modality_gap.gap import (
    gap,
    gap_interval,
    linear_separability,
    mean_cosine,
    mean_cosine_interval,
)
from modality_gap.projection import pair_svd_2d
from modality_gap.tiles import sample_rows

encoders = snakemake.params.encoders
confidence, sample, seed = (snakemake.params[key] for key in ("confidence", "sample", "seed"))
rows, points = [], []
for name, x, y in open_pairs(encoders, snakemake.input.pairs):
    low, high = gap_interval(x, y, confidence)
    row = {
        "encoder": name,
        "norm_layers": encoders[name].get("norm_layers", True),
        "input_normalisation": encoders[name].get("input_normalisation", True),
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
    x, y = x[some], y[some]
    row["separability"], row["separability_n"] = linear_separability(x, y, seed)
    rows.append(row)
    points.append(pair_svd_2d(x, y).assign(encoder=name)[["encoder", "side", "svd_1", "svd_2"]])
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
pd.concat(points).to_parquet(snakemake.output.svd, index=False)
