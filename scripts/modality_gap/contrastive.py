"""The contrastive loss against the gap (paper, section 4 and Figure 3).

A shift moves both modalities along the unit gap vector u, by half of delta each, and puts them
back on the sphere: x <- normalise(x - delta/2 u), y <- normalise(y + delta/2 u). A positive delta
closes the gap. It changes the matrix of similarities by rank-one terms only, so the matrix is
computed once and every delta costs O(n) more a row.
"""

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from modality_gap.errors import InputError
from modality_gap.gap import gap_vector


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


def signed_distance(x: np.ndarray, y: np.ndarray, delta: float) -> float:
    """Distance of the two centres after a shift by delta, negative once they passed each other:
    the sign is that of the shifted gap vector along the unit gap vector before the shift."""
    u = unit_gap_vector(x, y)
    moved = gap_vector(shift(x, u, -delta / 2), shift(y, u, delta / 2))
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
    loss, loss_as_released. Source: Figure 3(b-d).
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
        distance = signed_distance(x, y, delta)
        for temperature in temperatures:
            x_to_y, y_to_x = cross_entropies(moved, temperature)
            rows.append(
                {
                    "temperature": temperature,
                    "delta": delta,
                    "distance": distance,
                    "loss": (x_to_y + y_to_x) / 2,
                    "loss_as_released": x_to_y,
                }
            )
    return pd.DataFrame(rows).sort_values(["temperature", "delta"], ignore_index=True)


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
