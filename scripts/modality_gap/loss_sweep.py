"""The contrastive loss of a whole set over shifts and temperatures: rows of the loss tables.

x, y: (n, d) unit vectors (float64) of the two modalities; `settings` are `loss_landscape` of the
config, whose fine grid has its steps fine_step apart.
"""

import numpy as np
import pandas as pd

from modality_gap.contrastive import (
    back_to_back,
    batched_sweep,
    delta_grid,
    loss_landscape,
    loss_minimum,
    sigmoid_sweep,
    signed_distances,
)
from modality_gap.errors import InputError

SHAPE_COLUMNS = ["n", "hump_distance", "hump_loss", "back_distance", "back_loss"]


def fine_grid(settings: dict) -> np.ndarray:
    """The shifts between which a minimum is searched."""
    return delta_grid({**settings, "delta_step": settings["fine_step"]})


def landscape(x: np.ndarray, y: np.ndarray, settings: dict, threads: int = 1) -> pd.DataFrame:
    """A set's part of loss_landscape.csv. Source: Figure 3(b-d)."""
    grid = settings["temperatures"], settings["batch_size"], threads
    return loss_landscape(x, y, delta_grid(settings), *grid)


def minima(
    x: np.ndarray,
    y: np.ndarray,
    settings: dict,
    resamples: int,
    confidence: float,
    seed: int,
    threads: int = 1,
) -> tuple[list[dict], list[dict]]:
    """A set's rows of loss_minimum.csv, a temperature each, and of loss_shape.csv, which has those
    whose loss has a hump behind the gap; both on the fine grid."""
    fine, temperatures = fine_grid(settings), settings["temperatures"]
    losses = batched_sweep(x, y, fine, temperatures, settings["batch_size"], threads)
    distances = signed_distances(x, y, fine)
    lowest, shapes = [], []
    for temperature, batches in zip(temperatures, losses, strict=True):
        key = {"temperature": temperature, "n": batches.shape[1] * settings["batch_size"]}
        lowest.append(
            {**key, **loss_minimum(batches, fine, distances, resamples, confidence, seed)}
        )
        if shape := back_to_back(batches.mean(axis=1), distances):
            shapes.append({**key, **shape})
    return lowest, shapes


def own_scale(name: str, about: dict, entry: dict) -> tuple[float, float]:
    """The temperature and the bias that a set's model was trained with: those of its embeddings'
    metadata `about`, or of its `entry` in the config (scale, bias), which stand before them.

    Raises InputError where neither has both.
    """
    about = {**about, **{f"logit_{key}": value for key, value in entry.items()}}
    if not {"logit_scale", "logit_bias"} <= about.keys():
        raise InputError(f"sets.{name}.loss is sigmoid, but its model has no bias; remove it.")
    return 1 / about["logit_scale"], about["logit_bias"]


def sigmoid_tables(
    x: np.ndarray,
    y: np.ndarray,
    own: float,
    bias: float,
    settings: dict,
    resamples: int,
    confidence: float,
    seed: int,
) -> tuple[pd.DataFrame, list[dict]]:
    """A set's part of sigmoid_landscape.csv, at the shifts of Figure 3(b-d), and its rows of
    sigmoid_minimum.csv, on the fine grid: at its model's `own` temperature first, then at those of
    the config."""
    fine = fine_grid(settings)
    steps = fine / settings["delta_step"]
    coarse = np.isclose(steps, np.round(steps))
    distances = signed_distances(x, y, fine)
    temperatures = [own, *(value for value in settings["temperatures"] if value != own)]
    losses = sigmoid_sweep(x, y, fine, temperatures, bias, settings["batch_size"])
    tables, lowest = [], []
    for temperature, batches in zip(temperatures, losses, strict=True):
        key = {
            "temperature": temperature,
            "bias": bias,
            "own": temperature == own,
            "n": batches.shape[1] * settings["batch_size"],
        }
        lowest.append(
            {**key, **loss_minimum(batches, fine, distances, resamples, confidence, seed)}
        )
        curve = {"delta": fine, "distance": distances, "loss": batches.mean(axis=1)}
        tables.append(pd.DataFrame(curve)[coarse].assign(**key)[[*key, *curve]])
    return pd.concat(tables), lowest
