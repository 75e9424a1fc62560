"""A loss of a whole set over shifts and temperatures: rows of the loss tables.

x, y: (n, d) unit vectors (float64) of the two modalities. `settings` are `loss_landscape` of the
config; the steps of its fine grid are fine_step apart.
"""

import sys
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from modality_gap.config.losses import DeclaredLoss
from modality_gap.data.tiles import chosen
from modality_gap.errors import InputError
from modality_gap.measures.gap import gap
from modality_gap.measures.loss_minimum import (
    back_to_back,
    cost_of_closing,
    effects_of,
    loss_by_unit,
    loss_minimum,
)
from modality_gap.measures.loss_sweep import batched_sweep, loss_landscape
from modality_gap.measures.losses import LOSSES, Loss
from modality_gap.measures.shift import delta_grid, signed_distances, unit_gap_vector

LOSS_COLUMNS = ["temperature", "delta", "distance", "loss"]
SHAPE_COLUMNS = ["n", "hump_distance", "hump_loss", "back_distance", "back_loss"]


def fine_grid(settings: dict) -> np.ndarray:
    """The shifts of the fine grid, on which a minimum is searched for."""
    return delta_grid({**settings, "delta_step": settings["fine_step"]})


def with_gap(
    pairs: Iterable[tuple[str, np.ndarray, np.ndarray]],
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The sets (name, x, y) that have a gap to shift along. Prints to stderr which sets are left
    out."""
    for name, x, y in pairs:
        if gap(x, y):
            yield name, x, y
        else:
            print(
                f"{name}: both modalities have the same centre, so there is no gap to shift along; "
                "the shifts of this set are left out",
                file=sys.stderr,
            )


def joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """One table, joined from the parts of the sets. If there are no sets, the table has only its
    columns."""
    return pd.concat(tables) if tables else pd.DataFrame(columns=columns)


def landscape(x: np.ndarray, y: np.ndarray, settings: dict, threads: int = 1) -> pd.DataFrame:
    """The rows of a set in loss_landscape.csv, computed from all its pairs. Source: Figure
    3(b-d)."""
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
    loss: Loss = LOSSES["softmax"],
    own: dict[str, float] | None = None,
) -> tuple[pd.DataFrame, list[dict], list[dict]]:
    """Three tables about the loss of a set along the shift, computed on the fine grid: its curves
    at the shifts of Figure 3(b-d); its rows of loss_minimum.csv, one per temperature; and its rows
    of loss_shape.csv, one per temperature at which the loss has a hump beyond the closed gap.
    Intervals are over pairs, or over `clusters` (n,) of pairs.

    `own` has the model's temperature, which then comes first, and the parameters of the loss.
    """
    fine, batch_size = fine_grid(settings), settings["batch_size"]
    distances, u = signed_distances(x, y, fine), unit_gap_vector(x, y)
    temperatures, parameters, about = settings["temperatures"], dict(own or {}), {}
    if own:
        first = parameters.pop("temperature")
        temperatures = [first, *(value for value in temperatures if value != first)]
    losses = batched_sweep(x, y, fine, temperatures, batch_size, threads, loss, parameters)
    n = losses.shape[2] * batch_size
    x, y, clusters = x[:n], y[:n], chosen(clusters, slice(n))
    steps = fine / settings["delta_step"]
    coarse = np.isclose(steps, np.round(steps))
    curves, lowest, shapes = [], [], []
    for temperature, batches in zip(temperatures, losses, strict=True):
        mean = batches.mean(axis=1)
        effects = partial(
            effects_of(loss, parameters),
            *(x, y, u),
            temperature=temperature,
            batch_size=batch_size,
            threads=threads,
        )
        units = loss_by_unit(mean, fine, effects, clusters)
        if own:
            about = {**parameters, "own": temperature == own["temperature"]}
        key = {"temperature": temperature, **about, **counts(batches, units, batch_size)}
        lowest.append(
            {
                **key,
                **loss_minimum(units, fine, distances, resamples, confidence, seed),
                **cost_of_closing(mean, fine, distances, effects, confidence, clusters),
            }
        )
        if shape := back_to_back(mean, distances):
            shapes.append({"temperature": temperature, **about, "n": n, **shape})
        shown = {"temperature": temperature, **about, "n": n}
        curve = {"delta": fine, "distance": distances, "loss": mean}
        curves.append(pd.DataFrame(curve)[coarse].assign(**shown)[[*shown, *curve]])
    return pd.concat(curves), lowest, shapes


def counts(batches: np.ndarray, units: np.ndarray, batch_size: int) -> dict:
    """The numbers of pairs, of independent units and of batches that a minimum is computed from."""
    number = batches.shape[1]
    return {"n": number * batch_size, "clusters": units.shape[1], "batches": number}


def own_values(loss: DeclaredLoss, name: str, about: dict, entry: dict) -> dict[str, float] | None:
    """The temperature and the parameters of the loss that a set's model was trained with. They come
    from the set's `entry` in the config, or else from the metadata `about` of its embeddings. None
    for a loss without keys.

    Raises InputError if a value is in neither.
    """
    known = {key: about[f"logit_{key}"] for key in loss.keys if f"logit_{key}" in about}
    known |= {key: entry[key] for key in loss.keys if key in entry}
    if missing := [key for key in loss.keys if key not in known]:
        raise InputError(
            f"sets.{name}.loss is the {loss.label}, but its model has no "
            f"{' and no '.join(missing)}; remove the key `loss`."
        )
    if not known:
        return None
    return {"temperature": 1 / known.pop("scale"), **known}


def own_columns(loss: DeclaredLoss) -> list[str]:
    """The columns, in a loss's tables, of the values that its models were trained with."""
    return [*loss.parameters, "own"] if loss.keys else []
