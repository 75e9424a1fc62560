"""Cone and gap of one encoder whose pictures are normalised in two ways (Figure 2(a))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.cone import cosine_distribution
from modality_gap.embedding_set import open_pair
from modality_gap.gap import gap, gap_interval, mean_cosine_interval
from modality_gap.tiles import tiles

confidence = snakemake.params.confidence
rows, first = [], None
for (name, spec), file in zip(
    snakemake.params.encoders.items(), snakemake.input.images, strict=True
):
    x, y = open_pair(file, snakemake.input.text)
    first = x if first is None else first
    cosines = cosine_distribution(x, bins=1, threads=snakemake.threads)
    low, high = mean_cosine_interval(x, confidence)
    gap_low, gap_high = gap_interval(x, y, confidence)
    rows.append(
        {
            "encoder": name,
            "statistics": spec.get("preprocessing", "own"),
            "n": len(x),
            "mean_cosine": cosines.mean,
            "mean_cosine_low": low,
            "mean_cosine_high": high,
            "min_cosine": cosines.minimum,
            "gap": gap(x, y),
            "gap_low": gap_low,
            "gap_high": gap_high,
            # Of the embeddings of one picture, this way and the first way.
            "same_picture_cosine": sum((a * b).sum() for a, b in tiles(x, first)) / len(x),
        }
    )
pd.DataFrame(rows).to_csv(snakemake.output[0], index=False)
