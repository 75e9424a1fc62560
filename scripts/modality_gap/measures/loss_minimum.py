"""Where a swept loss is lowest and what closing the gap costs, with intervals over pairs."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from modality_gap.errors import InputError
from modality_gap.measures.intervals import bootstrap_interval, sums_by, t_interval
from modality_gap.measures.loss_sweep import COSINES, work_on_batches
from modality_gap.measures.losses import Loss
from modality_gap.measures.shift import shifted_similarity, unshifted


def _effects_of_rows(logits: np.ndarray, first: int) -> np.ndarray:
    """For each pair k, how much the summed cross-entropy of some rows changes if the pair is left
    out, (batches, b). `logits` (batches, rows, b) are rows of square matrices from row `first` on.
    Leaving out pair k removes row k, and column k from the other rows."""
    place = logits.argmax(axis=-1)[..., None]
    top = np.take_along_axis(logits, place, axis=-1)
    powers = np.exp(logits - top)
    sums = powers.sum(axis=-1, keepdims=True)
    rows = np.arange(logits.shape[1])
    # Rounding may leave only the largest term of the sum, so the others are summed separately.
    others = logits.copy()
    np.put_along_axis(others, place, -np.inf, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        second = others.max(axis=-1, keepdims=True)
        rest = np.log(np.exp(others - second).sum(axis=-1, keepdims=True)) + second - top
        lost = np.log1p(-powers / sums)
        np.put_along_axis(lost, place, rest - np.log(sums), axis=-1)
    lost[:, rows, first + rows] = 0
    effects = lost.sum(axis=1)
    entropies = np.log(sums[..., 0]) + top[..., 0] - logits[:, rows, first + rows]
    effects[:, first + rows] -= entropies
    return effects


def softmax_effects(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperature: float,
    batch_size: int,
    threads: int = 1,
) -> np.ndarray:
    """The contribution of each pair to the symmetric loss of its batch at every shift, (n, deltas).
    If a batch has b pairs, a contribution is (b - 1) times the difference between the loss of the
    batch and its loss without the pair. The mean over the batch is then subtracted. x, y: (n, d) in
    whole batches."""
    batches = len(x) // batch_size
    x, y = (side.reshape(batches, batch_size, -1) for side in (x, y))
    x_along, y_along = x @ u, y @ u
    height = min(batch_size, max(1, COSINES // batch_size))
    effects = np.zeros((batches, batch_size, len(deltas)))

    def work(batch: slice) -> None:
        for first in range(0, batch_size, height):
            row = slice(first, first + height)
            # To y and, with the roles and so the direction exchanged, to x.
            sides = (
                (x[batch, row] @ y[batch].transpose(0, 2, 1), x_along, y_along),
                (y[batch, row] @ x[batch].transpose(0, 2, 1), -y_along, -x_along),
            )
            for number, delta in enumerate(deltas):
                for cosines, along, other in sides:
                    moved = shifted_similarity(cosines, along[batch, row], other[batch], delta)
                    effects[batch, :, number] -= _effects_of_rows(moved / temperature, first) / 2

    work_on_batches(work, batches, batch_size, threads)
    effects -= effects.mean(axis=1, keepdims=True)
    return effects.reshape(-1, len(deltas))


def matrix_effects(
    of_pairs: Callable[[np.ndarray, float], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperature: float,
    batch_size: int,
    threads: int = 1,
) -> np.ndarray:
    """The same as `softmax_effects` for another loss, whose `of_pairs` (`losses.Loss`) is given."""
    batches = len(x) // batch_size
    x, y = (side.reshape(batches, batch_size, -1) for side in (x, y))
    x_along, y_along = x @ u, y @ u
    effects = np.empty((batches, batch_size, len(deltas)))

    def work(some: slice) -> None:
        similarity = x[some] @ y[some].transpose(0, 2, 1)
        for number, delta in enumerate(deltas):
            moved = shifted_similarity(similarity, x_along[some], y_along[some], delta)
            effects[some, :, number] = of_pairs(moved, temperature)

    work_on_batches(work, batches, batch_size, threads)
    effects -= effects.mean(axis=1, keepdims=True)
    return effects.reshape(-1, len(deltas))


def effects_of(loss: Loss, parameters: Mapping[str, float]) -> Callable[..., np.ndarray]:
    """Returns the function that computes what `softmax_effects` does, for a loss with its
    parameters."""
    if loss.of_pairs is None:
        return softmax_effects
    return partial(matrix_effects, partial(loss.of_pairs, **parameters))


def _of_units(of_pairs: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """The contributions of pairs (n, ...), summed over independent units, (units, ...). A unit is a
    pair or a cluster of pairs. The sums are scaled so that the mean stays the same."""
    if clusters is None:
        return of_pairs
    count = int(clusters.max()) + 1
    return sums_by(of_pairs, clusters, count) * (count / len(clusters))


FAR = 6  # standard errors: a shift that costs more is the minimum of no resample


def loss_by_unit(
    mean: np.ndarray,
    deltas: np.ndarray,
    effects: Callable[[np.ndarray], np.ndarray],
    clusters: np.ndarray | None = None,
) -> np.ndarray:
    """One value per pair, or cluster of pairs, (deltas, units), so that a bootstrap can draw units.
    The mean of the values is the loss `mean` (deltas,). Near the minimum, the values come from
    `effects` (`softmax_effects`); far above it, every value is the mean."""
    lowest = int(np.nanargmin(mean))

    at_lowest = _of_units(effects(deltas[[lowest]]), clusters)[:, 0]
    error = np.sqrt((at_lowest**2).sum()) / len(at_lowest)
    near = np.flatnonzero(mean <= mean[lowest] + FAR * error)
    units = np.repeat(mean[:, None], len(at_lowest), axis=1)
    units[near] += _of_units(effects(deltas[near]), clusters).T
    return units


def cost_of_closing(
    mean: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    effects: Callable[[np.ndarray], np.ndarray],
    confidence: float,
    clusters: np.ndarray | None = None,
) -> dict:
    """How much larger the loss `mean` (deltas,) is with the gap closed than without a shift.

    distance_closed: the distance between the centres at the shift that brings them closest.
    closing_cost: the loss there minus the loss without a shift. Its t interval is over pairs, or
    clusters of pairs; their `softmax_effects` at both shifts are subtracted pair by pair. The
    interval is too narrow for a loss near zero, because few pairs make up such a loss. Source:
    Figure 3(b).
    """
    closed, zero = int(np.nanargmin(np.abs(distances))), unshifted(deltas)
    at_both = _of_units(effects(deltas[[closed, zero]]), clusters)
    costs = mean[closed] - mean[zero] + at_both[:, 0] - at_both[:, 1]
    low, high = t_interval(costs, confidence)
    return {
        "distance_closed": distances[closed],
        "closing_cost": mean[closed] - mean[zero],
        "closing_cost_low": low,
        "closing_cost_high": high,
    }


def loss_minimum(
    units: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict:
    """Where the loss of one temperature is smallest. The loss is the mean of `units` (deltas,
    units) over the units, which are pairs or clusters of pairs.

    delta: the shift at the minimum; distance: its value in `distances`. distance_low,
    distance_high: percentile bootstrap over units (the BCa interval needs a derivative, which a
    position on a grid does not have). at_end: the minimum is the sweep's first or last shift, so a
    lower loss may lie beyond. placed: the interval does not contain both 0 and the gap (if it did,
    the place of the minimum would be unknown). The other values are the loss at the minimum, the
    loss without a shift, and their difference. A shift without a loss (NaN) is never the minimum.
    Source: Figure 3(b-d).
    """
    mean = units.mean(axis=1)
    if np.isnan(mean).all():
        raise InputError("the loss is NaN at every shift; give vectors that differ.")
    lowest, zero = int(np.nanargmin(mean)), unshifted(deltas)
    some = np.flatnonzero(~np.isnan(mean))
    parts = units[some].T

    def positions(weights: np.ndarray) -> np.ndarray:
        return distances[some[(weights @ parts).argmin(axis=1)]][None]

    ends = bootstrap_interval(
        positions, units.shape[1], resamples, confidence, seed, method="percentile"
    )
    low, high = (float(end[0]) for end in ends)
    return {
        "gap": distances[zero],
        "delta": deltas[lowest],
        "distance": distances[lowest],
        "distance_low": low,
        "distance_high": high,
        "at_end": lowest in (0, len(deltas) - 1),
        "placed": not (low <= 0 <= high and low <= distances[zero] <= high),
        "loss": mean[lowest],
        "loss_at_gap": mean[zero],
        "loss_excess": mean[zero] - mean[lowest],
    }


def back_to_back(loss: np.ndarray, distances: np.ndarray) -> dict | None:
    """The hump of the loss (deltas,) after the centres have passed each other, and the local
    minimum beyond it, where the modalities are back to back. None if there is no hump. Source:
    Figure 3(b)."""
    loss, distances = loss[~np.isnan(loss)], distances[~np.isnan(loss)]
    order = np.argsort(-distances)
    loss, distances = loss[order], distances[order]
    slopes = np.sign(np.round(np.diff(loss), 9))  # steps within rounding count as level
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
