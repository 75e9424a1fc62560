"""The contrastive loss against the gap (paper, section 4 and Figure 3).

A shift moves both modalities along the unit gap vector u, by half of delta each, and puts them
back on the sphere: x <- normalise(x - delta/2 u), y <- normalise(y + delta/2 u). A positive delta
closes the gap. It changes the matrix of similarities by rank-one terms only, so the matrix is
computed once and every delta costs O(n) more a row.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from modality_gap.diagnostics import bootstrap_interval
from modality_gap.errors import InputError
from modality_gap.gap import gap_vector

# From here on exp(-2 / temperature), of the least cosine, is above the smallest float64.
LOWEST_FOR_ONE_EXPONENTIAL = 1 / 300


def unit_gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """u: the gap vector of unit vectors x, y (n, d), divided by its norm."""
    vector = gap_vector(x, y)
    return vector / np.linalg.norm(vector)


def shift(vectors: np.ndarray, direction: np.ndarray, amount: float) -> np.ndarray:
    """normalise(v + amount * direction) of unit vectors v (n, d). Source: section 4.2."""
    moved = vectors + amount * direction
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def shifted_similarity(
    similarity: np.ndarray, x_along: np.ndarray, y_along: np.ndarray, delta: float
) -> np.ndarray:
    """Cosines of the shifted pairs from those before: similarity (..., n, m) = x @ y.T,
    x_along (..., n) = x @ u and y_along (..., m) = y @ u."""
    half = delta / 2
    moved = similarity + half * (x_along[..., :, None] - y_along[..., None, :]) - half**2
    x_norm = np.sqrt(1 - 2 * half * x_along + half**2)
    y_norm = np.sqrt(1 + 2 * half * y_along + half**2)
    return moved / (x_norm[..., :, None] * y_norm[..., None, :])


def signed_distance(x: np.ndarray, y: np.ndarray, delta: float, one_side: bool = False) -> float:
    """Distance of the two centres after a shift by delta, half of it on each side or the whole on x
    alone, negative once they passed each other: the sign is that of the shifted gap vector along
    the unit gap vector before the shift."""
    u = unit_gap_vector(x, y)
    of_x, of_y = (delta, 0) if one_side else (delta / 2, delta / 2)
    moved = gap_vector(shift(x, u, -of_x), shift(y, u, of_y))
    return float(np.sign(moved @ u) * np.linalg.norm(moved))


def cross_entropies(similarity: np.ndarray, temperature: float) -> tuple[float, float]:
    """Mean cross-entropy of the rows (x to y) and of the columns (y to x) of square matrices
    (..., n, n) of cosines, the right answers on the diagonals."""
    logits = similarity / temperature
    right = np.diagonal(logits, axis1=-2, axis2=-1)
    return (
        float((logsumexp(logits, axis=-1) - right).mean()),
        float((logsumexp(logits, axis=-2) - right).mean()),
    )


def symmetric_loss(similarity: np.ndarray, temperature: float) -> float:
    """The contrastive loss: mean of the two directions' cross-entropies. Source: section 4.1."""
    return sum(cross_entropies(similarity, temperature)) / 2


def loss_landscape(
    x: np.ndarray, y: np.ndarray, deltas: np.ndarray, temperatures: list[float], batch_size: int
) -> pd.DataFrame:
    """Loss over every shift and temperature, mean over consecutive batches of `batch_size` pairs
    in file order, an incomplete last batch left out (as released).

    `loss` is the symmetric one; `loss_as_released` has the released code's slip: it transposes
    the logits twice, so both of its terms are x to y. Columns: temperature, delta, distance,
    distance_one_side (where x alone moves, by the whole of delta), loss, loss_as_released. Source:
    Figure 3(b-d), and (a) for the two distances.
    """
    batches = len(x) // batch_size
    if batches == 0:
        raise InputError(
            f"loss_landscape.batch_size is {batch_size} but the set has {len(x)} pairs only; "
            "lower it or give more pairs."
        )
    u = unit_gap_vector(x, y)
    used = batches * batch_size
    x_batches = x[:used].reshape(batches, batch_size, -1)
    y_batches = y[:used].reshape(batches, batch_size, -1)
    similarity = x_batches @ y_batches.transpose(0, 2, 1)
    x_along, y_along = x_batches @ u, y_batches @ u
    rows = []
    for delta in deltas:
        moved = shifted_similarity(similarity, x_along, y_along, delta)
        distances = {
            "distance": signed_distance(x, y, delta),
            "distance_one_side": signed_distance(x, y, delta, one_side=True),
        }
        for temperature in temperatures:
            x_to_y, y_to_x = cross_entropies(moved, temperature)
            rows.append(
                {
                    "temperature": temperature,
                    "delta": delta,
                    **distances,
                    "loss": (x_to_y + y_to_x) / 2,
                    "loss_as_released": x_to_y,
                }
            )
    return pd.DataFrame(rows).sort_values(["temperature", "delta"], ignore_index=True)


def signed_distances(x: np.ndarray, y: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """`signed_distance` at many shifts at once, (len(deltas),)."""
    u = unit_gap_vector(x, y)
    half = np.asarray(deltas)[:, None] / 2

    def centres(vectors: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        # A shifted vector is v + amount u over its norm, so the mean of all is two products.
        scales = 1 / np.sqrt(1 + 2 * amounts * (vectors @ u) + amounts**2) / len(vectors)
        return scales @ vectors + (amounts * scales).sum(axis=1, keepdims=True) * u

    moved = centres(x, -half) - centres(y, half)
    return np.sign(moved @ u) * np.linalg.norm(moved, axis=1)


def batch_losses(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """The contrastive loss of each of several square matrices of cosines (batches, n, n)."""
    if temperature < LOWEST_FOR_ONE_EXPONENTIAL:
        return np.array([symmetric_loss(matrix, temperature) for matrix in similarity])
    # A cosine is at most 1, so one exponential serves rows and columns without overflow.
    exponentials = np.exp((similarity - 1) / temperature)
    right = (np.diagonal(similarity, axis1=-2, axis2=-1) - 1) / temperature
    rows, columns = (np.log(exponentials.sum(axis=axis)).mean(axis=-1) for axis in (-1, -2))
    return (rows + columns) / 2 - right.mean(axis=-1)


def sigmoid_losses(similarity: np.ndarray, temperature: float, bias: float) -> np.ndarray:
    """SigLIP's loss of each of several square matrices of cosines (..., n, n): every pair of an
    image and a text is a yes or a no of its own, by the sigmoid of cosine / temperature + bias
    (the logit scale is 1 / temperature). Mean over rows of the sum over columns of
    -log sigmoid(z logit), z = 1 on the diagonal and -1 off it. Source: Zhai et al., 2023,
    section 3.2."""
    logits = similarity / temperature + bias
    signs = 2 * np.eye(similarity.shape[-1]) - 1
    return np.logaddexp(0, -signs * logits).sum(axis=-1).mean(axis=-1)


def batched_sweep(
    x: np.ndarray,
    y: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    batch_size: int,
    loss: Callable[[np.ndarray, float], np.ndarray] = batch_losses,
) -> np.ndarray:
    """Loss, the symmetric one where no other is given, of every batch of `loss_landscape`:
    (temperatures, deltas, batches)."""
    u = unit_gap_vector(x, y)
    batches = len(x) // batch_size
    sides = [
        side[: batches * batch_size].reshape(batches, batch_size, -1).astype(np.float64)
        for side in (x, y)
    ]
    similarity = sides[0] @ sides[1].transpose(0, 2, 1)
    along = [side @ u for side in sides]
    losses = np.empty((len(temperatures), len(deltas), batches))
    for column, delta in enumerate(deltas):
        moved = shifted_similarity(similarity, *along, delta)
        for row, temperature in enumerate(temperatures):
            losses[row, column] = loss(moved, temperature)
    return losses


def loss_minimum(
    losses: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict:
    """Where the loss of one temperature, (deltas, batches), averaged over batches, is smallest.

    delta and distance (at `distances`) of the minimum; distance_low, distance_high: percentile
    bootstrap over batches (of a position on a grid the BCa interval has no derivative to use),
    both ends of the sweep where there is one batch alone, which tells nothing of its like;
    at_end: the minimum is the sweep's first or last shift, so a lower loss may lie beyond; loss
    at the minimum, at no shift, and how much more the latter is. Source: Figure 3(b-d).
    """
    mean = losses.mean(axis=1)
    lowest, unshifted = int(mean.argmin()), int(np.flatnonzero(deltas == 0)[0])
    at_end = lowest in (0, len(deltas) - 1)

    def positions(weights: np.ndarray) -> np.ndarray:
        return distances[(weights @ losses.T).argmin(axis=1)][None]

    batches = losses.shape[1]
    if batches > 1:
        low, high = bootstrap_interval(
            positions, batches, resamples, confidence, seed, method="percentile"
        )
        interval = float(low[0]), float(high[0])
    else:
        interval = float(distances.min()), float(distances.max())
    return {
        "batches": batches,
        "gap": distances[unshifted],
        "delta": deltas[lowest],
        "distance": distances[lowest],
        "distance_low": interval[0],
        "distance_high": interval[1],
        "at_end": at_end,
        "loss": mean[lowest],
        "loss_at_gap": mean[unshifted],
        "loss_excess": mean[unshifted] - mean[lowest],
    }


def back_to_back(loss: np.ndarray, distances: np.ndarray) -> dict | None:
    """The hump that the loss (deltas,) has once the centres have passed each other, and the local
    minimum behind it, where the modalities stand back to back; None where there is no such hump.
    Source: Figure 3(b)."""
    order = np.argsort(-distances)
    loss, distances = loss[order], distances[order]
    slopes = np.sign(np.round(np.diff(loss), 9))  # steps of mere rounding are level
    slopes, starts = slopes[slopes != 0], np.flatnonzero(slopes)
    turned = np.flatnonzero(slopes[:-1] != slopes[1:]) + 1
    passed = turned[distances[starts[turned]] < 0]
    valleys = starts[passed[slopes[passed] > 0]]
    humps = [turn for turn in starts[passed[slopes[passed] < 0]] if (valleys > turn).any()]
    if not humps:
        return None
    hump = max(humps, key=lambda turn: loss[turn])
    back = min(valleys[valleys > hump], key=lambda turn: loss[turn])
    return {
        "hump_distance": distances[hump],
        "hump_loss": loss[hump],
        "back_distance": distances[back],
        "back_loss": loss[back],
    }


def sphere_points(theta_deg: np.ndarray, phi_deg: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3) at polar angle theta and azimuth phi. Source: Figure 3(f)."""
    theta, phi = np.radians(theta_deg), np.radians(phi_deg)
    return np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1
    )


def sphere_losses(
    spacing_deg: float, mismatched: bool, temperatures: list[float], delta_theta_deg: np.ndarray
) -> pd.DataFrame:
    """Six pairs on the sphere: images on the equator at phi = -1..4 spacings, texts at the same
    phi moved by delta_theta along the meridian; mismatched: the first two texts are exchanged.

    Columns: temperature, delta_theta_deg, loss. Source: Figure 3(g), Supplementary 9.
    """
    phi = np.arange(-1, 5) * spacing_deg
    text_phi = phi[[1, 0, 2, 3, 4, 5]] if mismatched else phi
    images = sphere_points(np.full(6, 90.0), phi)
    rows = []
    for delta_theta in delta_theta_deg:
        texts = sphere_points(np.full(6, 90.0 + delta_theta), text_phi)
        similarity = images @ texts.T
        for temperature in temperatures:
            rows.append(
                {
                    "temperature": temperature,
                    "delta_theta_deg": delta_theta,
                    "loss": symmetric_loss(similarity, temperature),
                }
            )
    return pd.DataFrame(rows).sort_values(["temperature", "delta_theta_deg"], ignore_index=True)


def delta_grid(settings: dict) -> np.ndarray:
    """The shifts of the sweep, both ends included: delta_start, ..., delta_stop."""
    start, stop, step = (settings[f"delta_{key}"] for key in ("start", "stop", "step"))
    # Counted from zero, so that no shift is exactly 0 whatever the step.
    return step * np.arange(round(start / step), round(stop / step) + 1)
