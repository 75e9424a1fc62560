"""Measure recall@1 of every set over the shifts, and where it is highest."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.loss_tables import joined, with_gap
from modality_gap.measures.recall_sweep import recall_under_shift
from modality_gap.measures.shift import delta_grid

params = snakemake.params
deltas = delta_grid({**params.landscape, "delta_step": params.step})
settings = params.confidence, params.bootstrap["resamples"], params.permutations, params.seed
curves, peaks = [], []
for name, x, y in with_gap(open_pairs(params.sets, snakemake.input.pairs)):
    some = sample_rows(len(x), params.sample, params.seed)
    clusters = chosen(x.clusters(params.clusters.get(name)), some)
    curve, rows = recall_under_shift(x[some], y[some], deltas, *settings, clusters)
    curve.insert(0, "set", name)
    curves.append(curve)
    peaks += [{"set": name, **row} for row in rows]
joined(curves, ["set", "delta", "distance"]).to_csv(snakemake.output.curve, index=False)
pd.DataFrame(peaks, columns=None if peaks else ["set", "direction"]).to_csv(
    snakemake.output.peak, index=False
)
