"""The contrastive loss of a whole set over shifts and temperatures: rows of the loss tables.

x, y: (n, d) unit vectors (float64) of the two modalities; `settings` are `loss_landscape` of the
config, whose fine grid has its steps fine_step apart.
"""

import sys
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from modality_gap.data.tiles import chosen
from modality_gap.errors import InputError
from modality_gap.measures.gap import gap
from modality_gap.measures.loss_minimum import (
    back_to_back,
    loss_by_unit,
    loss_minimum,
    sigmoid_effects,
    softmax_effects,
)
from modality_gap.measures.loss_sweep import batched_sweep, loss_landscape, sigmoid_sweep
from modality_gap.measures.shift import delta_grid, signed_distances, unit_gap_vector

LOSS_COLUMNS = ["temperature", "delta", "distance", "loss"]
SHAPE_COLUMNS = ["n", "hump_distance", "hump_loss", "back_distance", "back_loss"]


def fine_grid(settings: dict) -> np.ndarray:
    """The shifts between which a minimum is searched."""
    return delta_grid({**settings, "delta_step": settings["fine_step"]})


def with_gap(
    pairs: Iterable[tuple[str, np.ndarray, np.ndarray]],
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Those of the sets (name, x, y) that have a gap to shift along. Prints to stderr which are
    left out."""
    for name, x, y in pairs:
        if gap(x, y):
            yield name, x, y
        else:
            print(
                f"{name}: both modalities have the same centre, so there is no gap to shift along; "
                "its shifts are left out",
                file=sys.stderr,
            )


def joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """A table joined from the sets' parts; without sets, its columns alone."""
    return pd.concat(tables) if tables else pd.DataFrame(columns=columns)


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
    clusters: np.ndarray | None = None,
) -> tuple[list[dict], list[dict]]:
    """A set's rows of loss_minimum.csv, one per temperature, and of loss_shape.csv, one per
    temperature at which the loss has a hump beyond the gap; both on the fine grid. Intervals are
    over pairs, or over `clusters` (n,) of them."""
    fine, temperatures = fine_grid(settings), settings["temperatures"]
    losses = batched_sweep(x, y, fine, temperatures, settings["batch_size"], threads)
    distances = signed_distances(x, y, fine)
    batch_size, u = settings["batch_size"], unit_gap_vector(x, y)
    n = losses.shape[2] * batch_size
    x, y, clusters = x[:n], y[:n], chosen(clusters, slice(n))
    lowest, shapes = [], []
    for temperature, batches in zip(temperatures, losses, strict=True):
        mean = batches.mean(axis=1)
        units = loss_by_unit(
            mean,
            fine,
            partial(
                softmax_effects,
                *(x, y, u),
                temperature=temperature,
                batch_size=batch_size,
                threads=threads,
            ),
            clusters,
        )
        key = {"temperature": temperature, **counts(batches, units, batch_size)}
        lowest.append({**key, **loss_minimum(units, fine, distances, resamples, confidence, seed)})
        if shape := back_to_back(mean, distances):
            shapes.append({"temperature": temperature, "n": n, **shape})
    return lowest, shapes


def counts(batches: np.ndarray, units: np.ndarray, batch_size: int) -> dict:
    """Numbers of pairs, of independent units and of batches behind a minimum."""
    number = batches.shape[1]
    return {"n": number * batch_size, "clusters": units.shape[1], "batches": number}


def own_scale(name: str, about: dict, entry: dict) -> tuple[float, float]:
    """The temperature and the bias that a set's model was trained with: from its `entry` in the
    config (scale, bias), or else from the metadata `about` of its embeddings.

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
    clusters: np.ndarray | None = None,
) -> tuple[pd.DataFrame, list[dict]]:
    """A set's part of sigmoid_landscape.csv, at the shifts of Figure 3(b-d), and its rows of
    sigmoid_minimum.csv, on the fine grid: at its model's `own` temperature first, then at those of
    the config. Intervals are over pairs, or over `clusters` (n,) of them."""
    fine, batch_size = fine_grid(settings), settings["batch_size"]
    steps = fine / settings["delta_step"]
    coarse = np.isclose(steps, np.round(steps))
    distances = signed_distances(x, y, fine)
    temperatures = [own, *(value for value in settings["temperatures"] if value != own)]
    losses = sigmoid_sweep(x, y, fine, temperatures, bias, batch_size)
    n, u = losses.shape[2] * batch_size, unit_gap_vector(x, y)
    x, y, clusters = x[:n], y[:n], chosen(clusters, slice(n))
    tables, lowest = [], []
    for temperature, batches in zip(temperatures, losses, strict=True):
        units = loss_by_unit(
            batches.mean(axis=1),
            fine,
            partial(
                sigmoid_effects,
                *(x, y, u),
                temperature=temperature,
                bias=bias,
                batch_size=batch_size,
            ),
            clusters,
        )
        key = {
            "temperature": temperature,
            "bias": bias,
            "own": temperature == own,
            **counts(batches, units, batch_size),
        }
        lowest.append({**key, **loss_minimum(units, fine, distances, resamples, confidence, seed)})
        curve = {"delta": fine, "distance": distances, "loss": batches.mean(axis=1)}
        shown = {name: key[name] for name in ("temperature", "bias", "own", "n")}
        tables.append(pd.DataFrame(curve)[coarse].assign(**shown)[[*shown, *curve]])
    return pd.concat(tables), lowest
