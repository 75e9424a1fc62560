"""All pairwise cosines of nine sets of embeddings (Figure 2(a))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np
import pandas as pd

from modality_gap.cone import cosine_distribution, cosine_quantiles, fine_bins, sd_cosine
from modality_gap.embedding_set import StoredVectors
from modality_gap.gap import mean_cosine_interval

rows, histograms = [], []
for encoder, trained_file, random_file in zip(
    snakemake.params.encoders, snakemake.input.trained, snakemake.input.random, strict=True
):
    trained, random = StoredVectors(trained_file), StoredVectors(random_file)
    # The real items are the same for trained and random weights.
    noise = random.label("noise").astype(bool)
    real = np.isin(trained.item_hashes, random.item_hashes[~noise])
    panels = {
        ("trained", "real"): trained.select(real),
        ("random", "real"): random.select(~noise),
        ("random", "noise"): random.select(noise),
    }
    for (weights, inputs), x in panels.items():
        # All pairs are gone through once, for the histogram and the quartiles.
        fine = cosine_distribution(x, fine_bins(snakemake.params.bins), threads=snakemake.threads)
        cosines = fine.in_bins(snakemake.params.bins)
        low, high = mean_cosine_interval(x, snakemake.params.confidence)
        quartiles = cosine_quantiles(fine, np.array([0.25, 0.5, 0.75]))
        names = {"encoder": encoder, "weights": weights, "inputs": inputs}
        rows.append(
            {
                **names,
                "model": x.metadata["model"],
                "dtype": x.metadata["dtype"],
                "n": cosines.n,
                "mean_cosine": cosines.mean,
                "mean_cosine_low": low,
                "mean_cosine_high": high,
                "min_cosine": cosines.minimum,
                "max_cosine": cosines.maximum,
                "sd_cosine": sd_cosine(x),
                **dict(zip(("q1_cosine", "median_cosine", "q3_cosine"), quartiles, strict=True)),
            }
        )
        histograms.append(
            pd.DataFrame(
                {
                    **names,
                    "cosine_low": cosines.edges[:-1],
                    "cosine_high": cosines.edges[1:],
                    "pairs": cosines.counts,
                }
            )
        )
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
pd.concat(histograms).to_csv(snakemake.output.histogram, index=False)
