"""SigLIP's sigmoid loss of the sets whose models have one, over shifts and temperatures."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np
import pandas as pd

from modality_gap.contrastive import (
    delta_grid,
    loss_minimum,
    sigmoid_sweep,
    signed_distances,
)
from modality_gap.embedding_set import open_pair
from modality_gap.errors import InputError
from modality_gap.tiles import sample_rows

settings, paths = snakemake.params.landscape, snakemake.input.pairs
fine = delta_grid({**settings, "delta_step": settings["fine_step"]})
steps = fine / settings["delta_step"]
coarse = np.isclose(steps, np.round(steps))  # the shifts of Figure 3(b-d)
tables, minima = [], []
for (name, entry), path_a, path_b in zip(
    snakemake.params.sets.items(), paths[::2], paths[1::2], strict=True
):
    sides = open_pair(path_a, path_b)
    about = {**sides[0].metadata, **{f"logit_{key}": entry[key] for key in entry}}
    if not {"logit_scale", "logit_bias"} <= about.keys():
        raise InputError(f"sets.{name}.loss is sigmoid, but its model has no bias; remove it.")
    bias, own = about["logit_bias"], 1 / about["logit_scale"]
    some = sample_rows(len(sides[0]), snakemake.params.sample, snakemake.params.seed)
    x, y = (side[some] for side in sides)
    distances = signed_distances(x, y, fine)
    temperatures = [own, *(value for value in settings["temperatures"] if value != own)]
    losses = sigmoid_sweep(x, y, fine, temperatures, bias, settings["batch_size"])
    for temperature, batches in zip(temperatures, losses, strict=True):
        key = {
            "set": name,
            "temperature": temperature,
            "bias": bias,
            "own": temperature == own,
            "n": batches.shape[1] * settings["batch_size"],
        }
        minimum = loss_minimum(
            batches,
            fine,
            distances,
            snakemake.params.bootstrap["resamples"],
            snakemake.params.confidence,
            snakemake.params.seed,
        )
        minima.append({**key, **minimum})
        curve = {"delta": fine, "distance": distances, "loss": batches.mean(axis=1)}
        tables.append(pd.DataFrame(curve)[coarse].assign(**key)[[*key, *curve]])
pd.concat(tables).to_csv(snakemake.output.landscape, index=False)
pd.DataFrame(minima).to_csv(snakemake.output.minimum, index=False)
