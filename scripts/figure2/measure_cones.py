"""Measure all pairwise cosines of nine sets of embeddings (Figure 2(a))."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import sample_rows
from modality_gap.embeddings.stored import StoredVectors
from modality_gap.measures.cone import measure_panel, panels

inputs, params = snakemake.input, snakemake.params
rows, histograms = [], []
for encoder, column, *files in zip(
    params.encoders, params.clusters, inputs.trained, inputs.random, strict=True
):
    for (weights, inputs), x in panels(*map(StoredVectors, files)).items():
        clusters = x.clusters(column) if inputs == "real" else None
        settings = params.bins, params.confidence, snakemake.threads
        compared = sample_rows(len(x), params.compare_at_most, params.seed)
        row, histogram = measure_panel(x, *settings, clusters, compared)
        names = {"encoder": encoder, "weights": weights, "inputs": inputs}
        origin = {key: x.metadata[key] for key in ("model", "dtype")}
        rows.append({**names, **origin, **row})
        histograms.append(histogram.assign(**names)[[*names, *histogram]])
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
pd.concat(histograms).to_csv(snakemake.output.histogram, index=False)
