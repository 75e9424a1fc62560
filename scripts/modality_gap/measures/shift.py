"""The paper's shift of both modalities along the gap, and the resulting distances."""

import numpy as np

from modality_gap.data.tiles import tiles
from modality_gap.errors import InputError
from modality_gap.measures.gap import NO_GAP, gap_vector

ROWS = 2048  # pairs that a sweep has in memory


NO_DIRECTION = 1e-13  # below this squared length a shifted vector is only rounding error


def unit_gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The unit gap vector u: the gap vector of unit vectors x, y (n, d), divided by its norm.
    Raises InputError if the gap is zero to rounding."""
    vector = gap_vector(x, y)
    length = np.linalg.norm(vector)
    if length <= NO_GAP:
        raise InputError(
            "both modalities have the same centre, so there is no gap to shift along; leave the "
            "set out, or give it two different files."
        )
    return vector / length


def lengths_after(squares: np.ndarray) -> np.ndarray:
    """The lengths of shifted vectors, from their squares. A vector that was moved to the origin (as
    for an antipodal pair at delta 2) has the length NaN: it has no direction, so the loss is
    undefined."""
    return np.sqrt(np.where(squares > NO_DIRECTION, squares, np.nan))


def shift(vectors: np.ndarray, direction: np.ndarray, amount: float) -> np.ndarray:
    """normalise(v + amount * direction) for unit vectors v (n, d); NaN if the sum is 0. Source:
    section 4.2."""
    moved = vectors + amount * direction
    return moved / lengths_after((moved * moved).sum(axis=1, keepdims=True))


def shifted_similarity(
    similarity: np.ndarray, x_along: np.ndarray, y_along: np.ndarray, delta: float
) -> np.ndarray:
    """The cosines of the shifted pairs, computed from the cosines before the shift. similarity
    (..., n, m) is x @ y.T, x_along (..., n) is x @ u and y_along (..., m) is y @ u."""
    half = delta / 2
    moved = similarity + half * (x_along[..., :, None] - y_along[..., None, :]) - half**2
    x_norm = lengths_after(1 - 2 * half * x_along + half**2)
    y_norm = lengths_after(1 + 2 * half * y_along + half**2)
    return moved / (x_norm[..., :, None] * y_norm[..., None, :])


def signed_distances(
    x: np.ndarray, y: np.ndarray, deltas: np.ndarray, one_side: bool = False
) -> np.ndarray:
    """The signed distances of the two centres after a shift by each of `deltas`, (len(deltas),).
    The shift moves each side by half of delta, or x alone by the whole of delta. The sign is that
    of the shifted gap vector along the original one: it is negative once the centres have passed
    each other."""
    u = unit_gap_vector(x, y)
    whole = np.asarray(deltas)[:, None]
    by_x, by_y = (whole, np.zeros_like(whole)) if one_side else (whole / 2, whole / 2)

    def total(vectors: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        # A shifted vector is (v + amount u) / norm, so the sum of all needs two products.
        scales = 1 / lengths_after(1 + 2 * amounts * (vectors @ u) + amounts**2)
        return scales @ vectors + (amounts * scales).sum(axis=1, keepdims=True) * u

    moved = sum(
        total(of_x, -by_x) - total(of_y, by_y) for of_x, of_y in tiles(x, y, size=ROWS)
    ) / len(x)
    return np.sign(moved @ u) * np.linalg.norm(moved, axis=1)


def unshifted(deltas: np.ndarray) -> int:
    """The index of the shift 0. Raises InputError if 0 is not among the shifts."""
    places = np.flatnonzero(np.asarray(deltas) == 0)
    if not len(places):
        raise InputError(
            "the shifts do not include 0; start them at 0 or below, and end them above 0."
        )
    return int(places[0])


def delta_grid(settings: dict) -> np.ndarray:
    """The shifts of the sweep, delta_start, ..., delta_stop, with both ends."""
    start, stop, step = (settings[f"delta_{key}"] for key in ("start", "stop", "step"))
    # Counted from zero, so that no shift is exactly 0 whatever the step.
    return step * np.arange(round(start / step), round(stop / step) + 1)
